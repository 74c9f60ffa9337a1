/** What a person proves themselves with, one name a method. */
export type FactorName = 'password' | 'email' | 'totp' | 'sms' | 'recovery-code' | 'passkey';

/** Those that are turned on and stay; `users.factors` tells whose are. */
export const SECOND_FACTORS = ['passkey', 'totp', 'sms', 'email'] as const;
export type SecondFactor = (typeof SECOND_FACTORS)[number];

/**
 * How sure a sign-in is, weakest first: one factor, two of them, a phishing-resistant one (OpenID
 * Connect Extended Authentication Profile ACR Values 1.0). Each is worth all before it.
 */
export const ACR_VALUES = ['urn:plinto:acr:1fa', 'urn:plinto:acr:2fa', 'phr'] as const;
export type Acr = (typeof ACR_VALUES)[number];

/** 1 for one factor, 2 for two, 3 for a phishing-resistant one; 0 for nothing we know of. */
export function rankOf(acr: string | undefined): number {
  return ACR_VALUES.indexOf(acr as Acr) + 1;
}

/** The acr of a rank from 1 to 3. */
export function acrOfRank(rank: number): Acr {
  const acr = ACR_VALUES[rank - 1];
  if (acr === undefined) throw new Error(`no acr has rank ${rank}`);
  return acr;
}

/** Methods by the names of RFC 8176 §2; those of a passkey depend on it (`hwk` or `swk`). */
export const AMR: Readonly<Record<Exclude<FactorName, 'passkey'>, readonly string[]>> = {
  password: ['pwd'],
  email: ['otp'],
  totp: ['otp'],
  sms: ['sms'],
  'recovery-code': ['otp'],
};

/** What was proven before, in the session that a sign-in adds to. */
export type Earlier = { acr: string | undefined; amr: readonly string[] };

/**
 * The rank that these methods reach together. A passkey is two factors in one, as it verifies its user.
 * A code by mail adds nothing to having signed in by mail.
 *
 * @param mailIsSecond it adds to a password: the person turned that on, and may use it. Else whoever
 *   has both would get past the factors of those who may sign in by mail.
 */
export function rankReached(
  factors: readonly FactorName[],
  { earlier, mailIsSecond }: { earlier: Earlier | undefined; mailIsSecond: boolean },
): number {
  const before = rankOf(earlier?.acr);
  if (factors.includes('passkey')) return 3;
  const first = new Set(factors.filter((f) => f === 'password' || f === 'email'));
  // One factor is told by its amr: a mailed code is the only one that is no password.
  if (before === 1) first.add(earlier?.amr.includes('pwd') ? 'password' : 'email');
  const second = factors.some((f) => f === 'totp' || f === 'sms' || f === 'recovery-code');
  const two = second || (mailIsSecond && first.size === 2);
  const reached = first.size === 0 ? 0 : two ? 2 : 1;
  return Math.max(before, reached);
}
