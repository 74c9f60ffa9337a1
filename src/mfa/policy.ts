import { ACR_VALUES, type Acr, rankOf, type SecondFactor } from './acr.ts';
import { type SignInMethod, signInMethodsOf } from './sign-in-methods.ts';

/** Whether a second factor is asked for: never, of those who have one, or of everybody. */
export const MFA_POLICIES = ['off', 'optional', 'required'] as const;
export type MfaPolicy = (typeof MFA_POLICIES)[number];

/** What an installation says of second factors. */
export type MfaRules = Readonly<{
  policy: MfaPolicy;
  /** Those that may be turned on and used. */
  factors: readonly SecondFactor[];
  /** Days for which a browser may be remembered in place of a second factor; 0 for none. */
  rememberDays: number;
}>;

/** Seconds after a sign-in in which what is dangerous may be done without another (login.md). */
export const FRESH = 600;

/** Whom it is asked of. */
export type Subject = { administrator: boolean; factors: readonly string[] };

/** The second factors that a person has and the installation allows. */
export function usableFactors(rules: MfaRules, { factors }: Subject): SecondFactor[] {
  return rules.factors.filter((factor) => factors.includes(factor));
}

/**
 * The rank that policy asks of a person for an app: the app's own policy goes before the
 * installation's. Administrators always need two factors.
 */
export function rankRequired(rules: MfaRules, app: MfaPolicy | undefined, subject: Subject): 1 | 2 {
  if (subject.administrator) return 2;
  const policy = app ?? rules.policy;
  if (policy === 'required') return 2;
  return policy === 'optional' && usableFactors(rules, subject).length > 0 ? 2 : 1;
}

/** What an organization asks of whoever signs in to it. */
export type OrganizationRules = Readonly<{
  mfaRequired: boolean;
  /** First factors that are good enough; null for all. */
  signInMethods: readonly SignInMethod[] | null;
  /** Seconds after which people sign in anew; null for the installation's own limit. */
  sessionSeconds: number | null;
}>;

/** A sign-in as sessions and refresh tokens tell it; `at` in epoch seconds. */
export type PastSignIn = { acr: string | undefined; amr: readonly string[]; at: number };

/**
 * What a sign-in lacks of what an organization asks, if anything. A browser that is remembered in
 * place of a second factor isn't one: refresh tokens couldn't tell it was.
 */
export function unmetRule(
  rules: OrganizationRules,
  signIn: PastSignIn,
  now: number,
): 'age' | 'method' | 'second_factor' | undefined {
  const { mfaRequired, signInMethods, sessionSeconds } = rules;
  if (sessionSeconds !== null && now - signIn.at > sessionSeconds) return 'age';
  if (signInMethods && !signInMethodsOf(signIn.amr).some((one) => signInMethods.includes(one))) {
    return 'method';
  }
  // Apps may have asked to be told of two factors by the name of one.
  const two = rankOf(signIn.acr) > 1 || signIn.amr.includes('mfa');
  return mfaRequired && !two ? 'second_factor' : undefined;
}

/** The acr values that a request asks for: as an essential claim, and by `acr_values`. */
export type AskedAcr = Readonly<{ essential: readonly string[]; voluntary: readonly string[] }>;

/** Values that have a meaning, met here or not. */
const KNOWN = new Set<string>([...ACR_VALUES, 'phrh']);

/** The acr values that can be reached with the second factors of an installation. */
export function acrValuesSupported({ factors }: Pick<MfaRules, 'factors'>): Acr[] {
  return ACR_VALUES.filter((acr) => acr !== 'phr' || factors.includes('passkey'));
}

/**
 * The rank that the asked-for acr values call for: any of them will do, so the weakest that can be
 * reached; 0 for none. A voluntary value that nobody knows is no condition (OpenID Connect Core
 * §5.5.1.1); one that is known is, or an app that steps up would be answered by less (RFC 9470 §5).
 *
 * @returns undefined where nobody could meet it.
 */
export function rankAsked(
  { essential, voluntary }: AskedAcr,
  supported: readonly string[],
): number | undefined {
  const demands = [essential, voluntary.filter((acr) => KNOWN.has(acr))].map((acrs) => {
    const ranks = acrs.filter((acr) => supported.includes(acr)).map(rankOf);
    return acrs.length === 0 ? 0 : ranks.length === 0 ? undefined : Math.min(...ranks);
  });
  return demands.reduce<number | undefined>(
    (most, rank) => (most === undefined || rank === undefined ? undefined : Math.max(most, rank)),
    0,
  );
}

/**
 * What a sign-in of this acr is called in answer to a request: the strongest of the values asked for
 * that it is worth, as apps compare them letter by letter; else what it is.
 */
export function acrTold(
  acr: string | undefined,
  { essential, voluntary }: AskedAcr,
): string | undefined {
  const asked = essential.length > 0 ? essential : voluntary;
  const worth = asked.filter((value) => rankOf(value) > 0 && rankOf(value) <= rankOf(acr));
  return worth.toSorted((a, b) => rankOf(b) - rankOf(a))[0] ?? acr;
}
