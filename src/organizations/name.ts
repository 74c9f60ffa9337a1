/** Longest name, in characters. */
export const MAX_NAME = 100;

/** White space, control characters, and those that reorder the text around them (UAX #9 §2). */
const UNSAFE = /[\p{Cc}\s\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** An organization's name as it is stored, on one line; undefined when there is none or it is too long. */
export function tidyName(given: string): string | undefined {
  const name = tidyLine(given);
  return name === '' || [...name].length > MAX_NAME ? undefined : name;
}

/** What somebody typed into a field of one line, without what would change the text around it. */
export function tidyLine(typed: string): string {
  return typed.normalize('NFC').replace(UNSAFE, ' ').trim();
}
