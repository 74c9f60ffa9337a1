import { createHash } from 'node:crypto';
import type { Deps } from '../deps.ts';
import { normalizePassword } from './rules.ts';

/** Milliseconds a person is kept waiting for the service. */
const TIMEOUT = 2000;

/**
 * Whether a password is known from a breach, by a service with the range API of Have I Been Pwned: it
 * learns the first five hex digits of the SHA-1, which hundreds of passwords share (k-anonymity).
 * Without a usable answer in time, it isn't: the service being down must not keep people out.
 *
 * @param url what the five digits are appended to.
 */
export async function isBreached(
  { fetch, log }: Pick<Deps, 'fetch' | 'log'>,
  url: string,
  password: string,
): Promise<boolean> {
  const digest = createHash('sha1').update(normalizePassword(password)).digest('hex').toUpperCase();
  const address = `${url.endsWith('/') ? url : `${url}/`}${digest.slice(0, 5)}`;
  try {
    const response = await fetch(address, {
      // Answers of one size, so that who listens can't tell the prefix by it.
      headers: { 'Add-Padding': 'true', Accept: 'text/plain' },
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.status !== 200) throw new Error(`the answer has status ${response.status}`);
    return countOf(await response.text(), digest.slice(5)) > 0;
  } catch (error) {
    // The reason, not the error: with the address in it, it would name the prefix.
    log.warn({ reason: reasonOf(error, address) }, 'the password breach check gave no answer');
    return false;
  }
}

/** Padding has count 0. */
function countOf(lines: string, suffix: string): number {
  const line = lines.split('\n').find((l) => l.toUpperCase().startsWith(`${suffix}:`));
  return Number(line?.slice(suffix.length + 1).trim() ?? 0);
}

function reasonOf(error: unknown, address: string): string {
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  return String(reason).replaceAll(address, '');
}
