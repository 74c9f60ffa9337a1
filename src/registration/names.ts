const MAX_NAME = 100;

/** Control characters, and those that reorder the text around them (UAX #9 §2). */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

export type Names = { given_name: string; family_name: string };

/** The names in a form, as they are stored; empty where none was typed. */
export function readNames(form: Record<string, string>): Names {
  return { given_name: readName(form.given_name), family_name: readName(form.family_name) };
}

function readName(typed = ''): string {
  return [...typed.normalize('NFC').replace(UNSAFE, ' ').trim()].slice(0, MAX_NAME).join('');
}
