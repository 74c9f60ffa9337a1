import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { originOf } from '../../http/request-meta.ts';
import { triesKey } from '../../mfa/tries.ts';
import { issueCode } from '../../one-time-codes/issue-code.ts';
import { findRequestedCode, redeemCode } from '../../one-time-codes/redeem-code.ts';
import { reserve } from '../../throttle/throttle.ts';
import { lockActiveUser, type User } from '../../users/store.ts';
import { RESETTABLE, resetMfa } from '../reset-mfa.ts';
import { type Asking, type LostFactorsParts, mayRecover } from './lost-factors.ts';
import { takeRecovery } from './store.ts';

const PURPOSE = 'recover-factors';

/** Seconds in which a form that asks for the same again is the one that was sent already. */
const SAME_FORM = 5;

/** What is wrong, by the names under which the page has words for it. */
export type Problem = {
  error: 'code_missing' | 'code_wrong' | 'code_expired' | 'code_exhausted' | 'throttled';
  retryAfter?: number;
};

/** Mails the code that finishes a recovery. @returns what is in the way of it. */
export async function sendCode(
  trx: Trx,
  { codes, mailer, renderer }: LostFactorsParts,
  { ctx, uid, user }: Asking,
): Promise<Problem | undefined> {
  const { id, email } = user;
  const before = await findRequestedCode(trx, PURPOSE, uid);
  if (email === null || (before !== undefined && before.age < SAME_FORM)) return undefined;
  const reservation = await reserve(trx, [{ scope: 'message', id }]);
  if (!reservation.ok) return { error: 'throttled', retryAfter: reservation.retryAfter };
  const request = { purpose: PURPOSE, address: email, userId: id, request: uid } as const;
  const { code } = await issueCode(trx, codes, request);
  await mailer.queue(trx, {
    template: 'recover-factors-code',
    vars: { code },
    to: email,
    locale: user.locale ?? renderer.localeOf(ctx),
    userId: id,
  });
  return undefined;
}

/**
 * Takes a person's second factors away once the wait is over and they typed the code that was mailed
 * to them. Whatever is signed in for them ends; this sign-in goes on with what it has proven.
 *
 * @returns what is wrong with the code.
 */
export async function finishRecovery(
  trx: Trx,
  parts: LostFactorsParts,
  { ctx, uid, clientId, user: { id } }: Asking,
  code: string,
): Promise<Problem | undefined> {
  const tries = await triesKey(trx, id, parts.devices.read(ctx));
  const typed = { purpose: PURPOSE, request: uid, code, tries } as const;
  const outcome = await redeemCode(trx, parts.codes.keys, typed);
  const origin = originOf(ctx, `user:${id}`);
  if (!outcome.ok) {
    const { reason } = outcome;
    const data = { purpose: PURPOSE, reason };
    await record(trx, originOf(ctx), { type: 'code.refused', userId: id, data });
    const failure = reason === 'throttled' ? reason : 'wrong_code';
    const failed = { type: 'sign_in.failed', userId: id, clientId } as const;
    await record(trx, originOf(ctx), { ...failed, data: { reason: failure } });
    return reason === 'throttled'
      ? { error: reason, retryAfter: outcome.retryAfter }
      : { error: ERRORS[reason] };
  }
  const user = await lockActiveUser(trx, id);
  if (user === undefined || !isReader(user, outcome.code) || !mayRecover(parts, user)) {
    return { error: 'code_expired' };
  }
  if (!(await takeRecovery(trx, id))) return { error: 'code_expired' };
  const locale = parts.renderer.localeOf(ctx);
  await resetMfa(trx, { ...parts, locale }, origin, user, RESETTABLE, 'recovered');
  return undefined;
}

const ERRORS = {
  wrong: 'code_wrong',
  expired: 'code_expired',
  used: 'code_expired',
  exhausted: 'code_exhausted',
} as const;

/** Whether the code was sent to this person, where they are still reached. */
function isReader(user: User, code: { user_id: string | null; address: string | null }): boolean {
  const address = user.email?.toLowerCase();
  return (
    code.user_id === user.id && address !== undefined && code.address?.toLowerCase() === address
  );
}
