import type { ZxcvbnFactory } from '@zxcvbn-ts/core';

/** NIST SP 800-63B-4 §3.1.1.2: 15 characters where the password is the only factor. */
export const MIN_PASSWORD_LENGTH = 15;
/** The same where everybody needs another factor beside it. */
export const MIN_LENGTH_WITH_MFA = 8;
export const MAX_PASSWORD_LENGTH = 256;

/** zxcvbn's score of 0-4 below which a password is too easy to guess, whatever its length. */
const MIN_SCORE = 3;
/** Characters that are looked at for patterns: the time that takes grows with their square. */
const MAX_ESTIMATED = 64;

export type PasswordProblem =
  | 'password_too_short'
  | 'password_too_long'
  | 'password_common'
  | 'password_context'
  | 'password_breached';

let estimator: Promise<ZxcvbnFactory> | undefined;

/** The form that is hashed, so that the same characters typed on another keyboard match. */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/** How hard a password is to guess, and what is wrong with it, if anything. */
export type PasswordRating = {
  problem: PasswordProblem | undefined;
  /** zxcvbn's score, one more beside another factor: 3 and 4 are hard enough to guess. */
  score: number;
  /** Keys of zxcvbn's remarks: what makes it easy, and what would help. */
  warning: string | undefined;
  suggestions: string[];
};

/**
 * What is wrong with a new password, if anything: length in characters, not bytes; on no list of
 * common passwords and not built from the person's own words. No composition rules.
 *
 * @param context words to refuse: names, the address, the product's name.
 */
export async function checkPassword(
  password: string,
  context: readonly (string | null | undefined)[],
  minLength = MIN_PASSWORD_LENGTH,
): Promise<PasswordProblem | undefined> {
  const { words, problem } = look(password, context, minLength);
  if (problem !== undefined) return problem;
  const { score } = await estimate(password, words, minLength);
  return score < MIN_SCORE ? 'password_common' : undefined;
}

/** {@link checkPassword} with how the password could be better, for a meter beside the field. */
export async function ratePassword(
  password: string,
  context: readonly (string | null | undefined)[],
  minLength = MIN_PASSWORD_LENGTH,
): Promise<PasswordRating> {
  const { words, problem } = look(password, context, minLength);
  const { score, feedback } = await estimate(password, words, minLength);
  return {
    problem: problem ?? (score < MIN_SCORE ? 'password_common' : undefined),
    score,
    warning: feedback.warning ?? undefined,
    suggestions: feedback.suggestions,
  };
}

/** What is seen without guessing. */
function look(
  password: string,
  context: readonly (string | null | undefined)[],
  minLength: number,
) {
  const normalized = normalizePassword(password);
  const length = [...normalized].length;
  const words = context
    .filter((w): w is string => typeof w === 'string')
    .flatMap((w) => [w, ...w.split(/[@.\s_-]+/)])
    .filter((w) => w.length >= 4)
    .map((w) => w.toLowerCase());
  return { words, problem: problemOf(normalized, { length, minLength }, words) };
}

function problemOf(
  password: string,
  { length, minLength }: { length: number; minLength: number },
  words: readonly string[],
): PasswordProblem | undefined {
  if (length < minLength) return 'password_too_short';
  if (length > MAX_PASSWORD_LENGTH) return 'password_too_long';
  const rest = words.reduce((text, word) => text.replaceAll(word, ''), password.toLowerCase());
  return [...rest].length < length / 2 ? 'password_context' : undefined;
}

async function estimate(password: string, words: string[], minLength: number) {
  const estimator = await loadEstimator();
  const text = normalizePassword(password).slice(0, MAX_ESTIMATED);
  const { score, feedback } = estimator.check(text, words);
  // No eight characters get more than a 2, which is what withstands guessing at the sign-in page.
  const besideAnother = minLength < MIN_PASSWORD_LENGTH ? 1 : 0;
  return { score: score === 0 ? 0 : Math.min(4, score + besideAnother), feedback };
}

/** Loaded when a password is first set: the lists take memory that a running server rarely needs. */
function loadEstimator(): Promise<ZxcvbnFactory> {
  estimator ??= (async () => {
    const [{ ZxcvbnFactory }, common] = await Promise.all([
      import('@zxcvbn-ts/core'),
      import('@zxcvbn-ts/language-common'),
    ]);
    return new ZxcvbnFactory({ dictionary: common.dictionary, graphs: common.adjacencyGraphs });
  })();
  return estimator;
}
