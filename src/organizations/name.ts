import { tidyLine } from '../http/words.ts';

/** Longest name, in characters. */
export const MAX_NAME = 100;

/** An organization's name as it is stored, on one line; undefined when there is none or it is too long. */
export function tidyName(given: string): string | undefined {
  const name = tidyLine(given);
  return name === '' || [...name].length > MAX_NAME ? undefined : name;
}
