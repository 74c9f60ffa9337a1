import type { Context } from 'koa';
import { transaction } from '../db/pool.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { Mailer } from '../mail/mail.ts';
import { removeCodes } from '../one-time-codes/store.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import type { PasswordProblem } from '../password/rules.ts';
import { hashNewPassword, replaceTemporaryPassword } from '../password/set-password.ts';
import { verifyPassword } from '../password/verify-password.ts';
import { findActiveUser, type User } from '../users/store.ts';
import { changeAttempt, type LoginParts } from './flow.ts';
import type { Interaction } from './interaction.ts';

export type NewPasswordParts = LoginParts & {
  passwordRules: PasswordRules;
  mailer: Mailer;
  renderer: Renderer;
  issuer: string;
};

/** What the page needs to know to judge a password while it is typed. */
export function describeNewPassword(
  { passwordRules }: Pick<NewPasswordParts, 'passwordRules'>,
  user: User | undefined,
): Record<string, unknown> {
  const words = [user?.email, user?.username, user?.name, user?.given_name, user?.family_name];
  return { minLength: passwordRules.minLength, words };
}

/**
 * The step after a password that must be changed. The new one ends whatever was signed in with the
 * one before and proves the person in its place; what is wrong with it is kept in the attempt.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function chooseNewPassword(
  parts: NewPasswordParts,
  ctx: Context,
  interaction: Interaction,
  password: string,
): Promise<void> {
  const { deps, signIn, hasher } = parts;
  const temporary = async () =>
    (await signIn.find(interaction.uid)).proofs.find(({ mustChange }) => mustChange !== undefined);
  const proof = await temporary();
  // The form of an earlier step, sent again, or of a step that nobody came to.
  if (interaction.prompt === 'consent' || proof?.mustChange === undefined) return;
  const setAt = proof.mustChange;

  const user = await findActiveUser(deps.db, proof.userId);
  if (user !== undefined) {
    const error = await problemOf(parts, user, password);
    if (error !== undefined) {
      const change = { error, error_page: 'new-password', retry_after: null };
      return changeAttempt(parts, interaction, change);
    }
    const hash = await hashNewPassword(hasher, password);
    const origin = originOf(ctx, `user:${user.id}`);
    const replaced = await transaction(deps.db, async (trx) => {
      // What was mailed while the temporary one was good. First, as whoever follows a link does.
      await removeCodes(trx, user.id);
      if (!(await replaceTemporaryPassword(trx, origin, user, { setAt }, hash))) return false;
      await warnOfChange(parts, ctx, trx, user);
      await signIn.prove(ctx, trx, interaction, user, { factor: 'password' });
      return true;
    });
    if (replaced) return;
  }
  // The same form sent twice is done with; a password that was changed elsewhere proves nobody.
  if ((await temporary())?.mustChange !== setAt) return;
  await changeAttempt(parts, interaction, {
    proofs: [],
    error: 'changed_meanwhile',
    error_page: null,
    retry_after: null,
  });
}

async function problemOf(
  { deps, hasher, passwordRules }: NewPasswordParts,
  user: User,
  password: string,
): Promise<PasswordProblem | 'password_unchanged' | undefined> {
  const problem = await passwordRules.check(password, user);
  if (problem !== undefined) return problem;
  const outcome = await verifyPassword(deps.db, hasher, user, password);
  // Only the temporary one: after that, the same form sent twice finds its own.
  return outcome.ok && outcome.mustChange !== undefined ? 'password_unchanged' : undefined;
}

async function warnOfChange(
  { mailer, renderer, issuer }: NewPasswordParts,
  ctx: Context,
  trx: Parameters<Mailer['queue']>[0],
  user: User,
): Promise<void> {
  if (user.email === null || !mailer.enabled) return;
  await mailer.queue(trx, {
    template: 'password-changed',
    to: user.email,
    locale: user.locale ?? renderer.localeOf(ctx),
    userId: user.id,
    vars: { url: `${issuer}/account` },
  });
}
