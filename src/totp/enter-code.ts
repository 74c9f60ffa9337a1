import { hashToken } from '../crypto/token-hash.ts';
import type { Trx } from '../deps.ts';
import { readDigits } from '../mfa/read-digits.ts';
import { triesKey } from '../mfa/tries.ts';
import { release, reserve } from '../throttle/throttle.ts';
import { matchCode } from './match-code.ts';
import { findCredential, isUsedBy, useStep } from './store.ts';
import { keyOf, refreshSecret, secondsNow, type TotpParts } from './totp.ts';

export type CodeOutcome =
  /** `again`: by the same form, sent before. */
  | { kind: 'right' }
  | { kind: 'again' }
  /** `used`: its time step was, anywhere else. */
  | { kind: 'used' | 'wrong' | 'missing' }
  | { kind: 'drift'; seconds: number }
  | { kind: 'throttled'; retryAfter: number };

/**
 * Checks a code of somebody's app and uses it up. Tries are counted per person before the code is
 * looked at, however many sign-ins they are spread over (security 4).
 *
 * @param typed.uid of the sign-in it is typed in.
 * @param typed.device hash of the browser's device id.
 */
export async function enterCode(
  trx: Trx,
  parts: TotpParts,
  typed: { userId: string; uid: string; code: string; device: Buffer | undefined },
): Promise<CodeOutcome> {
  const { userId } = typed;
  if (readDigits(typed.code) === '') return { kind: 'missing' };
  const keys = [await triesKey(trx, userId, typed.device)];
  const reservation = await reserve(trx, keys);
  if (!reservation.ok) return { kind: 'throttled', retryAfter: reservation.retryAfter };
  const credential = await findCredential(trx, userId);
  if (credential === undefined) return { kind: 'wrong' };
  const match = matchCode(keyOf(parts, credential), typed.code, secondsNow(parts));
  // Of a code that is yet to come it must not be told when: a guesser would wait for it.
  if (match.kind === 'drift' && match.seconds > 0) return { kind: 'wrong' };
  if (match.kind !== 'right') return match;

  const request = hashToken(typed.uid);
  if (await useStep(trx, credential.id, match.step, request)) {
    await release(trx, keys);
    await refreshSecret(trx, parts, credential);
    return { kind: 'right' };
  }
  if (!(await isUsedBy(trx, userId, match.step, request))) return { kind: 'used' };
  await release(trx, keys);
  return { kind: 'again' };
}
