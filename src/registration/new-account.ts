import type { PasswordHasher } from '../crypto/password-hash.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import { type HashedPassword, hashNewPassword } from '../password/set-password.ts';
import { type Names, readNames } from './names.ts';

/** What somebody types who was invited and has no account yet. */
export type NewAccount = Names & {
  password: string;
  terms: boolean;
  /** Language of the page. */
  locale: string;
};

export type NewAccountParts = {
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  termsUrl: string | undefined;
};

/** Reads the form of a new account. */
export function readNewAccount(form: Record<string, string>, locale: string): NewAccount {
  const { new_password: password = '', terms } = form;
  return { ...readNames(form), password, terms: terms === 'yes', locale };
}

/**
 * Hashes the password of a new account, unless something is wrong with the form.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function prepareAccount(
  { hasher, passwordRules, termsUrl }: NewAccountParts,
  email: string | null,
  { password, terms, given_name, family_name }: NewAccount,
): Promise<{ problem: string } | { password: HashedPassword }> {
  if (termsUrl !== undefined && !terms) return { problem: 'terms_missing' };
  const problem = await passwordRules.check(password, { email, given_name, family_name });
  if (problem !== undefined) return { problem };
  return { password: await hashNewPassword(hasher, password) };
}
