import type { ZxcvbnFactory } from '@zxcvbn-ts/core';

/** NIST SP 800-63B-4 §3.1.1.2: 15 characters where the password is the only factor. */
export const MIN_PASSWORD_LENGTH = 15;
export const MAX_PASSWORD_LENGTH = 256;

/** zxcvbn's score of 0-4 below which a password is too easy to guess, whatever its length. */
const MIN_SCORE = 3;

export type PasswordProblem =
  | 'password_too_short'
  | 'password_too_long'
  | 'password_common'
  | 'password_context';

let estimator: Promise<ZxcvbnFactory> | undefined;

/** The form that is hashed, so that the same characters typed on another keyboard match. */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/**
 * What is wrong with a new password, if anything: length in characters, not bytes; on no list of
 * common passwords and not built from the person's own words. No composition rules.
 *
 * @param context words to refuse: names, the address, the product's name.
 */
export async function checkPassword(
  password: string,
  context: readonly (string | null | undefined)[],
): Promise<PasswordProblem | undefined> {
  const normalized = normalizePassword(password);
  const length = [...normalized].length;
  if (length < MIN_PASSWORD_LENGTH) return 'password_too_short';
  if (length > MAX_PASSWORD_LENGTH) return 'password_too_long';

  const words = context
    .filter((w): w is string => typeof w === 'string')
    .flatMap((w) => [w, ...w.split(/[@.\s_-]+/)])
    .filter((w) => w.length >= 4)
    .map((w) => w.toLowerCase());
  const rest = words.reduce((text, word) => text.replaceAll(word, ''), normalized.toLowerCase());
  if ([...rest].length < length / 2) return 'password_context';

  const { score } = (await loadEstimator()).check(normalized.slice(0, 64), words);
  return score < MIN_SCORE ? 'password_common' : undefined;
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
