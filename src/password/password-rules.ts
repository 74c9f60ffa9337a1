import type { Deps } from '../deps.ts';
import type { MfaPolicy } from '../mfa/policy.ts';
import { isBreached } from './breach.ts';
import {
  checkPassword,
  MIN_LENGTH_WITH_MFA,
  MIN_PASSWORD_LENGTH,
  type PasswordProblem,
  type PasswordRating,
  ratePassword,
} from './rules.ts';

/** Whose password it shall be: what they are called isn't a password. */
export type PasswordPerson = Partial<
  Record<'email' | 'username' | 'name' | 'given_name' | 'family_name' | 'nickname', string | null>
>;

/** The installation's rules for new passwords. */
export type PasswordRules = {
  /** Characters that a password has at least. */
  minLength: number;
  /** What can be said against a new password for this person. */
  check: (password: string, person: PasswordPerson) => Promise<PasswordProblem | undefined>;
  /** How good a password is while it is being typed: all but the look-up in breaches. */
  rate: (password: string, words: readonly string[]) => Promise<PasswordRating>;
};

/** The rules of rules.ts, this product's name, and the service that knows breached passwords, if any. */
export function createPasswordRules(parts: {
  deps: Pick<Deps, 'fetch' | 'log'>;
  productName: string;
  breachCheckUrl: string | undefined;
  mfaPolicy: MfaPolicy;
}): PasswordRules {
  const { deps, productName, breachCheckUrl, mfaPolicy } = parts;
  const minLength = mfaPolicy === 'required' ? MIN_LENGTH_WITH_MFA : MIN_PASSWORD_LENGTH;
  return {
    minLength,
    check: async (password, person) => {
      const { email, username, name, given_name, family_name, nickname } = person;
      const words = [email, username, name, given_name, family_name, nickname, productName];
      const problem = await checkPassword(password, words, minLength);
      if (problem !== undefined || breachCheckUrl === undefined) return problem;
      const breached = await isBreached(deps, breachCheckUrl, password);
      return breached ? 'password_breached' : undefined;
    },
    rate: (password, words) => ratePassword(password, [...words, productName], minLength),
  };
}
