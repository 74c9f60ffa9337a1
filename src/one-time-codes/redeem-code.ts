import { type DerivedKey, safeEqual } from '../crypto/keyring.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Db, Trx } from '../deps.ts';
import { isKnownDevice } from '../devices/store.ts';
import { readDigits } from '../mfa/read-digits.ts';
import { release, reserve, type ThrottleKey } from '../throttle/throttle.ts';
import { hashCode } from './issue-code.ts';
import {
  type CodePurpose,
  countTry,
  findCode,
  findCodeByToken,
  lockCode,
  type OneTimeCode,
  useCode,
} from './store.ts';

/** Wrong tries after which a code is worthless; those of an account are counted beside it. */
const MAX_TRIES = 5;

export type CodeOutcome =
  | { ok: true; code: OneTimeCode }
  /** `used`: by the same form, sent before. `expired`: too old, replaced, or never asked for. */
  | { ok: false; reason: 'wrong' | 'expired' | 'exhausted' | 'used'; userId?: string }
  | { ok: false; reason: 'throttled'; retryAfter: number; userId?: string };

/**
 * Checks a typed code against the one that was asked for in the same request, and uses it up. Tries
 * are counted for the code and for the account, over all its codes (security 4).
 *
 * @param typed.device hash of the browser's device id. One in which the account signed in before has
 *   a count of its own, so that a stranger's wrong codes don't lock its owner out.
 * @param typed.tries what tries of the account are counted by, where that isn't its codes of this
 *   purpose.
 */
export async function redeemCode(
  trx: Trx,
  keys: readonly DerivedKey[],
  typed: {
    purpose: CodePurpose;
    request: string;
    code: string;
    device?: Buffer | undefined;
    tries?: ThrottleKey;
  },
): Promise<CodeOutcome> {
  const code = await lockCode(trx, typed.purpose, hashToken(typed.request));
  if (code === undefined) return { ok: false, reason: 'expired' };
  const who = code.user_id === null ? {} : { userId: code.user_id };
  if (code.used) return { ok: false, reason: 'used', ...who };
  if (code.expired) return { ok: false, reason: 'expired', ...who };
  if (code.attempts >= MAX_TRIES) return { ok: false, reason: 'exhausted', ...who };

  const throttleKeys = [typed.tries ?? (await throttleKey(trx, code, typed.device))];
  const reservation = await reserve(trx, throttleKeys);
  if (!reservation.ok) {
    return { ok: false, reason: 'throttled', retryAfter: reservation.retryAfter, ...who };
  }
  if (!matches(keys, code, readDigits(typed.code))) {
    await countTry(trx, code.id);
    return { ok: false, reason: code.attempts + 1 >= MAX_TRIES ? 'exhausted' : 'wrong', ...who };
  }
  await release(trx, throttleKeys);
  await useCode(trx, code.id);
  return { ok: true, code };
}

/** Whether a code can still be typed. */
export function isWaitedFor({ used, expired, attempts }: OneTimeCode): boolean {
  return !used && !expired && attempts < MAX_TRIES;
}

async function throttleKey(
  trx: Trx,
  code: OneTimeCode,
  device: Buffer | undefined,
): Promise<ThrottleKey> {
  const account = code.user_id ?? code.address ?? code.id;
  const known = device !== undefined && (await isKnownDevice(trx, device, code.user_id));
  const where = known ? ` ${device.toString('base64url')}` : '';
  return { scope: 'account', id: `${account} ${code.purpose} code${where}` };
}

/**
 * The code whose link has this token, for showing a page; nothing is used up by looking, as mail
 * scanners do. Undefined when it was replaced, is of another purpose or never was.
 */
export function findLink(
  db: Db,
  purpose: CodePurpose,
  token: string,
): Promise<OneTimeCode | undefined> {
  return findCodeByToken(db, purpose, hashToken(token));
}

/** The code that was asked for last in a request, whatever became of it. */
export function findRequestedCode(
  db: Db,
  purpose: CodePurpose,
  request: string,
): Promise<OneTimeCode | undefined> {
  return findCode(db, purpose, hashToken(request));
}

/**
 * Uses a link up. @returns its code; of N that race, one gets it and the others `used`. `expired`
 * also stands for replaced and unknown ones.
 *
 * @param request what it was asked in, where it must not be used anywhere else.
 */
export async function redeemLink(
  trx: Trx,
  purpose: CodePurpose,
  token: string,
  request?: string,
): Promise<{ ok: true; code: OneTimeCode } | { ok: false; reason: 'used' | 'expired' }> {
  const requestHash = request === undefined ? undefined : hashToken(request);
  const code = await findCodeByToken(trx, purpose, hashToken(token), requestHash);
  if (code === undefined || (code.expired && !code.used)) return { ok: false, reason: 'expired' };
  if (code.used || !(await useCode(trx, code.id))) return { ok: false, reason: 'used' };
  return { ok: true, code };
}

function matches(keys: readonly DerivedKey[], code: OneTimeCode, typed: string): boolean {
  const { code_hash } = code;
  return code_hash !== null && keys.some((k) => safeEqual(code_hash, hashCode(k, code.id, typed)));
}
