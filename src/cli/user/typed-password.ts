import { createPasswordHasher } from '../../crypto/password-hash.ts';
import { type HashReading, readPasswordHash } from '../../crypto/password-schemes/read-hash.ts';
import { createPasswordRules, type PasswordPerson } from '../../password/password-rules.ts';
import { MAX_PASSWORD_LENGTH, type PasswordProblem } from '../../password/rules.ts';
import { type HashedPassword, hashNewPassword } from '../../password/set-password.ts';
import type { Session } from '../session.ts';
import { readPassword, readStandardInput } from '../terminal/password-input.ts';

/** Asks for a new password, or reads it from standard input. @throws Error when the rules refuse it. */
export async function typedPassword(
  { config, runtime }: Session,
  person: PasswordPerson,
  fromStdin: boolean,
): Promise<HashedPassword> {
  const password = await readPassword(fromStdin);
  const rules = createPasswordRules({
    deps: runtime.deps,
    productName: config.productName,
    breachCheckUrl: config.passwordBreachCheckUrl,
    mfaPolicy: config.mfa.policy,
  });
  const problem = await rules.check(password, person);
  if (problem !== undefined) throw new Error(problemsBelow(rules.minLength)[problem]);
  return hashNewPassword(createPasswordHasher(config.passwordHashing), password);
}

const problemsBelow = (minLength: number): Record<PasswordProblem, string> => ({
  password_too_short: `the password has fewer than ${minLength} characters: choose a longer one`,
  password_too_long: `the password has more than ${MAX_PASSWORD_LENGTH} characters: choose a shorter one`,
  password_common: 'the password is too easy to guess: choose another',
  password_context: "the password is made of the person's or the product's name: choose another",
  password_breached: 'the password is known from a data breach: choose another',
});

/** Reads another system's hash of a password from standard input. @throws Error when it is of no use. */
export async function importedHash(): Promise<HashedPassword> {
  const hash = (await readStandardInput('hash')).trim();
  const reading = readPasswordHash(hash);
  if (!reading.ok) throw new Error(USELESS[reading.reason]);
  return { hash };
}

const USELESS: Record<Extract<HashReading, { ok: false }>['reason'], string> = {
  hash_unknown:
    'this is no hash that we know: bcrypt, argon2, and scrypt or PBKDF2 as PHC strings or of Django are',
  hash_malformed: 'this hash is not well-formed: check that it is whole and as it was stored',
  hash_too_expensive:
    'verifying this hash takes too much memory or time: use `plinto user reset-password` instead',
};
