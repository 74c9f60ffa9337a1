import { tidyLine } from '../http/words.ts';

const MAX_NAME = 100;

export type Names = { given_name: string; family_name: string };

/** The names in a form, as they are stored; empty where none was typed. */
export function readNames(form: Record<string, string>): Names {
  return { given_name: readName(form.given_name), family_name: readName(form.family_name) };
}

function readName(typed = ''): string {
  return [...tidyLine(typed)].slice(0, MAX_NAME).join('');
}
