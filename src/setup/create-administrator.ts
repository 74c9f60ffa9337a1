import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import type { PasswordProblem } from '../password/rules.ts';
import { hashNewPassword, setPassword } from '../password/set-password.ts';
import { createUser } from '../users/create-user.ts';
import { canonicalEmail } from '../users/identifiers.ts';
import { findCreated, isSetupCode, takeSetupCode } from './store.ts';

export type AdministratorInput = { email: string; name: string; password: string };

export type AdministratorResult =
  | { ok: true }
  | {
      ok: false;
      field: 'email' | 'password';
      key: 'email_invalid' | 'email_taken' | PasswordProblem;
    };

/**
 * Creates an administrator with the setup link. The link is used up only by success, and by one of N
 * that race; the same form sent twice succeeds twice, and creates one.
 *
 * @throws AppError link_invalid when the link was used, replaced or is too old.
 */
export async function createAdministrator(
  parts: { deps: Deps; hasher: PasswordHasher; passwordRules: PasswordRules },
  origin: Origin,
  token: string,
  input: AdministratorInput,
): Promise<AdministratorResult> {
  const { db } = parts.deps;
  const hash = hashToken(token);
  const email = canonicalEmail(input.email);
  const done = async () => (await findCreated(db, hash))?.email === email;
  if (!(await isSetupCode(db, hash))) {
    if (await done()) return { ok: true };
    throw new AppError('link_invalid');
  }
  if (email === undefined) return { ok: false, field: 'email', key: 'email_invalid' };
  const person = { email, name: input.name };
  const problem = await parts.passwordRules.check(input.password, person);
  if (problem !== undefined) return { ok: false, field: 'password', key: problem };
  const password = await hashNewPassword(parts.hasher, input.password);

  const created = await transaction(db, async (trx) => {
    const result = await createUser(trx, origin, {
      email,
      emailVerified: true,
      administrator: true,
      profile: input.name === '' ? {} : { name: input.name },
    });
    if (!result.ok) return false;
    const { user } = result;
    if (!(await takeSetupCode(trx, hash, user.id))) throw new AppError('link_invalid');
    await setPassword(trx, origin, user, password);
    await record(trx, origin, { type: 'setup.completed', userId: user.id });
    return true;
  });
  return created || (await done())
    ? { ok: true }
    : { ok: false, field: 'email', key: 'email_taken' };
}
