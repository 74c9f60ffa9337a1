import type { SecondFactor } from './acr.ts';
import { type MfaRules, type Subject, usableFactors } from './policy.ts';

/**
 * Whether a person can't turn a factor off: it is the last of those that may be used, and they need
 * one. Turned off, they would have to set up another one when they next sign in, and so would whoever
 * has their password.
 */
export function mustKeep(rules: MfaRules, subject: Subject, factor: SecondFactor): boolean {
  if (!subject.administrator && rules.policy !== 'required') return false;
  const usable = usableFactors(rules, subject);
  return usable.length === 1 && usable[0] === factor;
}
