import type { Deps } from '../../deps.ts';
import { PREFIX, recordName, recordValue } from './name.ts';
import type { Domain } from './store.ts';

/**
 * Whether a domain's record says what it has to; `different`: there is one that was made for this, but
 * not for this organization; `unknown`: no name server could be asked, or none had an answer.
 */
export type RecordState = 'found' | 'missing' | 'different' | 'unknown';

/** No such name, and no such record. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA']);

/** Most records of a name that are looked through. */
const MAX_RECORDS = 100;

/** Looks up the record that proves a domain, as it is now. Never within a transaction: it can take seconds. */
export async function findRecord(
  { resolveTxt, log }: Pick<Deps, 'resolveTxt' | 'log'>,
  { name, token }: Pick<Domain, 'name' | 'token'>,
): Promise<RecordState> {
  try {
    const records = await resolveTxt(recordName(name));
    // A text longer than 255 bytes comes in several chunks (RFC 7208 §3.3).
    const texts = records.slice(0, MAX_RECORDS).map((chunks) => chunks.join('').trim());
    if (texts.includes(recordValue(token))) return 'found';
    return texts.some((text) => text.startsWith(PREFIX)) ? 'different' : 'missing';
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (NOTHING.has(code)) return 'missing';
    log.warn({ code, domain: name, component: 'dns' }, 'a TXT record could not be looked up');
    return 'unknown';
  }
}
