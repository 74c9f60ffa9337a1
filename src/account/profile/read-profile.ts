import { tidyLine } from '../../http/words.ts';
import { canonicalUsername } from '../../users/identifiers.ts';
import type { User } from '../../users/store.ts';
import { unknownField } from '../unknown-fields.ts';

/** A profile field of the installation's own. */
export type Attribute = Readonly<{ name: string; label: string }>;

/** What may be chosen from, beside what somebody has already. */
export type Choices = {
  /** Language tags. */
  languages: readonly string[];
  attributes: readonly Attribute[];
};

const NAMES = ['name', 'given_name', 'family_name', 'nickname'] as const;
const COLUMNS = [...NAMES, 'username', 'locale', 'zoneinfo'] as const;

export type ProfileColumn = (typeof COLUMNS)[number];

/** What a form asks for; null takes a value away, what isn't in it stays as it is. */
export type ProfileWish = {
  columns: Partial<Record<ProfileColumn, string | null>>;
  attributes: Record<string, string | null>;
};

export type ProfileProblem = {
  /** The form's name of the field. */
  field: string;
  key:
    | 'unknown_field'
    | 'too_long'
    | 'username_invalid'
    | 'username_missing'
    | 'not_a_choice'
    | 'username_taken';
};

/** Characters a name or attribute has at most. */
const MAX_TEXT = 200;

/** The name that an attribute has in the form: its own could be that of another field. */
export function attributeField(name: string): string {
  return `attribute_${name}`;
}

/** Time zones to choose from, as the tz database names them. */
export function timeZones(): string[] {
  return [...new Set([...Intl.supportedValuesOf('timeZone'), 'UTC'])].sort();
}

/**
 * Reads a profile form. Fields that a person can't change by it are refused by name (security 25);
 * a value that they have already is kept even if nobody could choose it anew.
 */
export function readProfile(
  form: Record<string, string>,
  user: User,
  choices: Choices,
): { ok: true; wish: ProfileWish } | { ok: false; problem: ProfileProblem } {
  const fields = choices.attributes.map(({ name }) => attributeField(name));
  const unknown = unknownField(form, [...COLUMNS, ...fields]);
  if (unknown !== undefined)
    return { ok: false, problem: { field: unknown, key: 'unknown_field' } };

  const wish: ProfileWish = { columns: {}, attributes: {} };
  for (const column of COLUMNS) {
    const typed = form[column];
    if (typed === undefined) continue;
    const value = column === 'username' ? readUsername(typed) : tidy(typed);
    const key = problemOf(column, value, user, choices);
    if (key !== undefined) return { ok: false, problem: { field: column, key } };
    wish.columns[column] = value ?? null;
  }
  for (const { name } of choices.attributes) {
    const typed = form[attributeField(name)];
    if (typed === undefined) continue;
    const value = tidy(typed);
    if (isTooLong(value)) {
      return { ok: false, problem: { field: attributeField(name), key: 'too_long' } };
    }
    wish.attributes[name] = value;
  }
  return { ok: true, wish };
}

function problemOf(
  column: ProfileColumn,
  value: string | null | undefined,
  user: User,
  choices: Choices,
): ProfileProblem['key'] | undefined {
  if (value === undefined) return 'username_invalid';
  // Somebody without an address has no other name to sign in with.
  if (column === 'username') {
    return value === null && user.email === null ? 'username_missing' : undefined;
  }
  if (value === null || value === user[column]) return undefined;
  if (column === 'locale') return choices.languages.includes(value) ? undefined : 'not_a_choice';
  if (column === 'zoneinfo') return timeZones().includes(value) ? undefined : 'not_a_choice';
  return isTooLong(value) ? 'too_long' : undefined;
}

function readUsername(typed: string): string | null | undefined {
  return typed.trim() === '' ? null : canonicalUsername(typed);
}

function isTooLong(value: string | null): boolean {
  return [...(value ?? '')].length > MAX_TEXT;
}

/** One line of text, or null. */
function tidy(text: string): string | null {
  const line = tidyLine(text);
  return line === '' ? null : line;
}
