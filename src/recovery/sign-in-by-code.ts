import type { Context } from 'koa';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import type { PageName } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import { readDigits } from '../mfa/read-digits.ts';
import { redeemCode, redeemLink } from '../one-time-codes/redeem-code.ts';
import type { OneTimeCode } from '../one-time-codes/store.ts';
import { findActiveUser, type User } from '../users/store.ts';
import { proveAddress } from './prove-address.ts';
import type { RecoveryParts, Request } from './recovery.ts';

const PURPOSE = 'sign-in';

type Problem = {
  reason: 'wrong' | 'expired' | 'exhausted' | 'used' | 'throttled';
  userId?: string;
  retryAfter?: number;
};

/**
 * Signs a person in by the code that was mailed to them, or by the token of the link beside it, which
 * works in the same sign-in only. Either is a one-time password to apps: `otp` (RFC 8176 §2).
 *
 * @returns the page that says what is wrong; undefined when it is right, or was before.
 */
export async function signInByCode(
  parts: RecoveryParts,
  ctx: Context,
  request: Request,
  form: Record<string, string>,
): Promise<PageName | undefined> {
  const { code = '', link } = form;
  const { db } = parts.deps;
  if (link === undefined && readDigits(code) === '') {
    await transaction(db, (trx) => say(parts, trx, request, { error: 'code_missing' }));
    return 'code';
  }
  const problem = await transaction(db, async (trx): Promise<Problem | undefined> => {
    const outcome = await redeem(parts, ctx, trx, request, { code, link });
    if (!outcome.ok) return outcome;
    const user = await findReader(trx, outcome.code);
    if (user === undefined) return { reason: 'expired' };
    await proveAddress(trx, originOf(ctx, `user:${user.id}`), user);
    await parts.signIn.prove(ctx, trx, request, user, { factor: 'email' });
    return undefined;
  });
  if (problem === undefined) return undefined;
  // The same form, sent twice: it has done what it was to do.
  const { proofs } = await parts.signIn.find(request.uid);
  if (problem.reason === 'used' && proofs.length > 0) return undefined;
  await transaction(db, (trx) => refuse(parts, originOf(ctx), trx, request, problem));
  return 'code';
}

function redeem(
  { codes, devices }: RecoveryParts,
  ctx: Context,
  trx: Trx,
  { uid }: Request,
  { code, link }: { code: string; link: string | undefined },
) {
  if (link !== undefined) return redeemLink(trx, PURPOSE, link, uid);
  const device = devices.read(ctx);
  return redeemCode(trx, codes.keys, { purpose: PURPOSE, request: uid, code, device });
}

/** Whom a code was sent to, if they may sign in and still have the address. */
async function findReader(trx: Trx, code: OneTimeCode): Promise<User | undefined> {
  const user = code.user_id === null ? undefined : await findActiveUser(trx, code.user_id);
  return user?.email?.toLowerCase() === code.address?.toLowerCase() ? user : undefined;
}

async function refuse(
  parts: RecoveryParts,
  origin: Origin,
  trx: Trx,
  request: Request,
  { reason, userId, retryAfter }: Problem,
): Promise<void> {
  const { clientId } = request;
  const who = userId === undefined ? {} : { userId };
  await record(trx, origin, { type: 'code.refused', ...who, data: { purpose: PURPOSE, reason } });
  const failure = reason === 'throttled' ? reason : 'wrong_code';
  const data = { reason: failure } as const;
  await record(trx, origin, { type: 'sign_in.failed', ...who, clientId, data });
  // What was used elsewhere is as good as too old.
  const error = reason === 'used' ? 'expired' : reason;
  await say(parts, trx, request, { error: ERRORS[error], retryAfter });
}

/** By the names under which the pages have words for them. */
const ERRORS = {
  wrong: 'code_wrong',
  expired: 'code_expired',
  exhausted: 'code_exhausted',
  throttled: 'throttled',
} as const;

function say(
  { signIn }: RecoveryParts,
  trx: Trx,
  { uid }: Request,
  { error, retryAfter }: { error: string; retryAfter?: number | undefined },
): Promise<void> {
  const change = { error, error_page: 'code', retry_after: retryAfter ?? null };
  return signIn.change(trx, uid, change);
}
