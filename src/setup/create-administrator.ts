import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { PasswordProblem } from '../password/rules.ts';
import { checkNewPassword, hashNewPassword, setPassword } from '../password/set-password.ts';
import { createUser } from '../users/create-user.ts';
import { canonicalEmail } from '../users/identifiers.ts';
import type { User } from '../users/store.ts';
import { isSetupCode, takeSetupCode } from './store.ts';

export type AdministratorInput = { email: string; name: string; password: string };

export type AdministratorResult =
  | { ok: true; user: User }
  | {
      ok: false;
      field: 'email' | 'password';
      key: 'email_invalid' | 'email_taken' | PasswordProblem;
    };

/**
 * Creates an administrator with the setup link. The link is used up only by success, and by one of N
 * that race.
 *
 * @throws AppError link_invalid when the link was used, replaced or is too old.
 */
export async function createAdministrator(
  parts: { deps: Deps; hasher: PasswordHasher; productName: string },
  origin: Origin,
  token: string,
  input: AdministratorInput,
): Promise<AdministratorResult> {
  const hash = hashToken(token);
  if (!(await isSetupCode(parts.deps.db, hash))) throw new AppError('link_invalid');
  const email = canonicalEmail(input.email);
  if (email === undefined) return { ok: false, field: 'email', key: 'email_invalid' };
  const person = { email, name: input.name };
  const problem = await checkNewPassword(input.password, person, parts.productName);
  if (problem !== undefined) return { ok: false, field: 'password', key: problem };
  const password = await hashNewPassword(parts.hasher, input.password);

  return transaction(parts.deps.db, async (trx): Promise<AdministratorResult> => {
    const created = await createUser(trx, origin, {
      email,
      emailVerified: true,
      administrator: true,
      profile: input.name === '' ? {} : { name: input.name },
    });
    if (!created.ok) return { ok: false, field: 'email', key: 'email_taken' };
    if (!(await takeSetupCode(trx, hash))) throw new AppError('link_invalid');
    await setPassword(trx, origin, created.user, password);
    await record(trx, origin, { type: 'setup.completed', userId: created.user.id });
    return { ok: true, user: created.user };
  });
}
