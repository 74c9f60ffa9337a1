import type { Context } from 'koa';
import { transaction } from '../db/pool.ts';
import type { Db } from '../deps.ts';
import { originOf } from '../http/request-meta.ts';
import { findLink, redeemLink } from '../one-time-codes/redeem-code.ts';
import { removeCodes } from '../one-time-codes/store.ts';
import type { PasswordProblem } from '../password/rules.ts';
import { hashNewPassword, setPassword } from '../password/set-password.ts';
import { isCurrentPassword } from '../password/verify-password.ts';
import { release, strangersKey } from '../throttle/throttle.ts';
import { findActiveUser, type User } from '../users/store.ts';
import { proveAddress } from './prove-address.ts';
import type { RecoveryParts } from './recovery.ts';

const PURPOSE = 'reset-password';

/** A link that was mailed to somebody, and to whom. */
export type ResetLink = { user: User; email: string; used: boolean };

/**
 * Whose password the link with this token resets. Undefined when it is too old, was replaced by a
 * newer one, or the account can't sign in or has another address by now. Looking uses nothing up.
 */
export async function findResetLink(db: Db, token: string): Promise<ResetLink | undefined> {
  const code = await findLink(db, PURPOSE, token);
  if (code === undefined || code.user_id === null || (code.expired && !code.used)) return undefined;
  const user = await findActiveUser(db, code.user_id);
  const email = user?.email;
  if (!user || !email || email.toLowerCase() !== code.address?.toLowerCase()) return undefined;
  return { user, email, used: code.used };
}

export type ResetResult = 'done' | 'link_invalid' | PasswordProblem;

/**
 * Sets the password of a link's account and ends whatever was signed in with the one before; other
 * factors stay. A password that is refused doesn't use the link up. The same form sent again is
 * `done` again; another password is not.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function resetPassword(
  parts: RecoveryParts,
  ctx: Context,
  token: string,
  password: string,
): Promise<ResetResult> {
  const { deps, hasher } = parts;
  const link = await findResetLink(deps.db, token);
  if (link === undefined) return 'link_invalid';
  const { user } = link;
  const wasSetNow = async (): Promise<ResetResult> => {
    return (await isCurrentPassword(deps.db, hasher, user, password)) ? 'done' : 'link_invalid';
  };
  if (link.used) return wasSetNow();
  const problem = await parts.passwordRules.check(password, user);
  if (problem !== undefined) return problem;

  const hash = await hashNewPassword(hasher, password);
  const origin = originOf(ctx, `user:${user.id}`);
  const outcome = await transaction(deps.db, async (trx) => {
    const redeemed = await redeemLink(trx, PURPOSE, token);
    if (!redeemed.ok) return redeemed.reason;
    // Once more, as hashing took its time: suspended since, or of another address?
    const still = await findResetLink(trx, token);
    if (still === undefined) return 'expired';
    await setPassword(trx, origin, still.user, hash);
    await removeCodes(trx, user.id);
    // Tries of the password before say nothing about this one.
    await release(trx, [strangersKey(user.id)]);
    await proveAddress(trx, origin, still.user);
    await parts.mailer.queue(trx, {
      template: 'password-changed',
      to: link.email,
      locale: user.locale ?? parts.renderer.localeOf(ctx),
      userId: user.id,
      vars: { url: `${parts.issuer}/account` },
    });
    return 'done';
  });
  if (outcome === 'used') return wasSetNow();
  return outcome === 'done' ? 'done' : 'link_invalid';
}
