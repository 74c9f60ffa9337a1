import type { Origin } from '../../audit/events.ts';
import type { PasswordHasher } from '../../crypto/password-hash.ts';
import { transaction } from '../../db/pool.ts';
import type { Deps } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { removeCodes } from '../../one-time-codes/store.ts';
import type { PasswordRules } from '../../password/password-rules.ts';
import type { PasswordProblem } from '../../password/rules.ts';
import { hashNewPassword, setPassword } from '../../password/set-password.ts';
import { findPassword } from '../../password/store.ts';
import { isCurrentPassword, verifyPassword } from '../../password/verify-password.ts';
import { lockActiveUser, type User } from '../../users/store.ts';

export type PasswordParts = {
  deps: Deps;
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  mailer: Mailer;
  issuer: string;
};

export type NewPassword = {
  password: string;
  /** When the password was set that the form was shown for; '' where there was none. */
  replaces: string;
  /** The session that goes on. */
  sessionUid: string;
  /** Language of the notice. */
  locale: string;
};

/**
 * Sets a person's password, ends what was signed in elsewhere, and tells them. Undefined says that it
 * is their password now: also to the same form sent again, which does nothing more.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function changePassword(
  parts: PasswordParts,
  origin: Origin,
  user: User,
  wish: NewPassword,
): Promise<PasswordProblem | 'password_unchanged' | 'stale' | undefined> {
  const { deps, hasher } = parts;
  const { password, replaces } = wish;
  const isSentAgain = () => isCurrentPassword(deps.db, hasher, user, password);
  const before = await findPassword(deps.db, user.id);
  if ((before?.changed_at ?? '') !== replaces) return (await isSentAgain()) ? undefined : 'stale';
  const problem = await parts.passwordRules.check(password, user);
  if (problem !== undefined) return problem;
  if (before !== undefined && (await verifyPassword(deps.db, hasher, user, password)).ok)
    return 'password_unchanged';

  const hash = await hashNewPassword(hasher, password);
  const changed = await transaction(deps.db, async (trx) => {
    // A link to reset the one before would be a way around this one. First, as following it does: of
    // the two at once neither waits for the other.
    await removeCodes(trx, user.id);
    const still = await lockActiveUser(trx, user.id);
    const now = await findPassword(trx, user.id);
    if (still === undefined || (now?.changed_at ?? '') !== replaces) return false;
    await setPassword(trx, origin, still, hash, { keepSession: wish.sessionUid });
    await parts.mailer.queue(trx, {
      template: 'password-changed',
      to: still.email ?? undefined,
      locale: wish.locale,
      userId: user.id,
      vars: { url: `${parts.issuer}/account/password` },
    });
    return true;
  });
  return changed || (await isSentAgain()) ? undefined : 'stale';
}
