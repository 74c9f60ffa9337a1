import { type Command, InvalidArgumentError } from 'commander';
import { validate as isUuid } from 'uuid';
import type { Answer } from './output.ts';
import { table } from './table.ts';

export type Page = { after?: string; limit: number };

const MAX_LIMIT = 1000;

/** Adds the options of a paged list. */
export function pagingOptions(command: Command): Command {
  return command
    .option('--limit <count>', 'how many at most, up to 1000', wholeNumber(1, MAX_LIMIT), 50)
    .option('--after <id>', 'go on after this one, as the page before says');
}

/**
 * Runs a list's query for one more than the page holds, to know whether there is more.
 *
 * @param key the value that the page after goes on from.
 */
export async function pageOf<T>(
  page: Page,
  list: (page: Page) => Promise<T[]>,
  key: (item: T) => string,
): Promise<{ items: T[]; next: string | null }> {
  const found = await list({ ...page, limit: page.limit + 1 });
  const items = found.slice(0, page.limit);
  const last = items.at(-1);
  return { items, next: found.length > page.limit && last !== undefined ? key(last) : null };
}

/** A page as a table, with how to see the rest; `nothing` says that there is none. */
export function listAnswer(
  { items, next }: { items: readonly Record<string, unknown>[]; next: string | null },
  columns: readonly string[],
  nothing: string,
): Answer {
  const rows = items.map((item) => columns.map((column) => item[column]));
  const lines = items.length === 0 ? [nothing] : table(columns, rows);
  if (next !== null) lines.push(`There are more: --after ${next}`);
  return { value: { items, next }, lines };
}

/** Checks where a list of ids goes on. @throws Error when that is no id. */
export function checkAfterId({ after }: Page): void {
  if (after === undefined || isUuid(after)) return;
  throw new Error(`--after ${after} is no id: use the one that the page before says`);
}

/** Reads an option that is a whole number. @throws commander's error that says the range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,10}$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
