import type { Words } from '../http/words.ts';
import {
  MAX_PASSWORD_LENGTH,
  normalizePassword,
  type PasswordProblem,
  type PasswordRating,
} from './rules.ts';

/** What the meter beside a new password shows. */
export type Strength = {
  /** 0 to 4; 3 and more exactly when the form takes the password. */
  score: number;
  problem: PasswordProblem | null;
  /** Sentences in the person's language: the verdict, why, and what would help. */
  hints: string[];
};

/** A refused password never looks like a good one, nor like none. */
const REFUSED = { min: 1, max: 2 };

/** Puts a rating into words. */
export function describeStrength(
  { t, word }: Pick<Words, 't' | 'word'>,
  password: string,
  { problem, score, warning, suggestions }: PasswordRating,
  minLength: number,
): Strength {
  const shown = problem === undefined ? score : refusedScore(password, score);
  const verdict = t(`password_strength.verdicts.${verdictOf(problem, shown)}`);
  const why = warning === undefined ? '' : word(`password_strength.warnings.${warning}`, '');
  const [first = ''] = suggestions;
  const help = word(`password_strength.suggestions.${first}`, '');
  const limits = { minLength, maxLength: MAX_PASSWORD_LENGTH };
  const rest = {
    password_too_short: [
      t('password_strength.length', { ...limits, length: [...normalizePassword(password)].length }),
      why,
    ],
    password_too_long: [t('password_strength.max_length', limits)],
    password_context: [t('password_strength.suggestions.useWords')],
    password_common: [why, help],
    password_breached: [],
    none: [],
  }[problem ?? 'none'];
  return {
    score: shown,
    problem: problem ?? null,
    hints: [verdict, ...rest].filter((hint) => hint !== ''),
  };
}

function refusedScore(password: string, score: number): number {
  return password === '' ? 0 : Math.max(REFUSED.min, Math.min(REFUSED.max, score));
}

function verdictOf(problem: PasswordProblem | undefined, score: number): string {
  if (problem === 'password_too_short') return 'too_short';
  if (problem === 'password_too_long') return 'too_long';
  if (problem === 'password_context') return 'context';
  return ['weak', 'weak', 'fair', 'strong'][score] ?? 'very_strong';
}
