import type { FactorName } from './acr.ts';

/** First factors, by which it is told who somebody is. */
export const SIGN_IN_METHODS = ['password', 'email', 'passkey'] as const;
export type SignInMethod = (typeof SIGN_IN_METHODS)[number];

/**
 * The first factors that a sign-in was made with. A code by mail is told by the same word as one of an
 * app, which nobody begins with.
 *
 * @param amr in the order of {@link amrTogether}.
 */
export function signInMethodsOf(amr: readonly string[]): SignInMethod[] {
  const methods: SignInMethod[] = [];
  if (amr.includes('pwd')) methods.push('password');
  if (amr.includes('hwk') || amr.includes('swk')) methods.push('passkey');
  if (amr[0] === 'otp') methods.push('email');
  return methods;
}

type Proven = { factor: FactorName; amr: readonly string[] };

/**
 * The methods of a session and of what was proven after it: first factors that an organization takes,
 * then other first factors, then second ones.
 *
 * @param methods the first factors that are taken; null for all.
 */
export function amrTogether(
  earlier: readonly string[],
  proofs: readonly Proven[],
  methods: readonly SignInMethod[] | null,
): string[] {
  const takes = (method: string) => methods?.some((one) => one === method) ?? true;
  const isFirst = ({ factor }: Proven) => SIGN_IN_METHODS.some((one) => one === factor);
  const first = proofs.filter(isFirst);
  const taken = first.filter(({ factor }) => takes(factor)).flatMap(({ amr }) => amr);
  const others = first.filter(({ factor }) => !takes(factor)).flatMap(({ amr }) => amr);
  const second = proofs.filter((proof) => !isFirst(proof)).flatMap(({ amr }) => amr);
  const begun = signInMethodsOf(earlier).some(takes);
  return [...(begun ? [...earlier, ...taken] : [...taken, ...earlier]), ...others, ...second];
}
