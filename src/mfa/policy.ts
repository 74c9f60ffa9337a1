import { rankOf, type SecondFactor } from './acr.ts';

/** Whether a second factor is asked for: never, of those who have one, or of everybody. */
export type MfaPolicy = 'off' | 'optional' | 'required';

/** What an installation says of second factors. */
export type MfaRules = Readonly<{
  policy: MfaPolicy;
  /** Those that may be turned on and used. */
  factors: readonly SecondFactor[];
  /** Days for which a browser may be remembered in place of a second factor; 0 for none. */
  rememberDays: number;
}>;

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

/**
 * The rank that a request's acr values ask for: any of those we know will do, so the weakest. None
 * were asked for: 0. All are unknown: what an essential one can't be is undefined, a voluntary one is
 * no condition (OpenID Connect Core §5.5.1.1).
 */
export function rankAsked(acrs: readonly string[], essential: boolean): number | undefined {
  const known = acrs.map(rankOf).filter((rank) => rank > 0);
  if (known.length > 0) return Math.min(...known);
  return acrs.length > 0 && essential ? undefined : 0;
}

/** The asked-for value that a sign-in of this acr may be called: the strongest that it is worth. */
export function acrTold(acr: string | undefined, asked: readonly string[]): string | undefined {
  const worth = asked.filter((value) => rankOf(value) > 0 && rankOf(value) <= rankOf(acr));
  return worth.sort((a, b) => rankOf(b) - rankOf(a))[0] ?? acr;
}
