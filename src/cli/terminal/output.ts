import { ConfigError } from '../../config.ts';
import { isUnavailable } from '../../db/unavailable.ts';

/** What a command says: `value` to programs (--json), `lines` to people. */
export type Answer = { value: unknown; lines: readonly string[] };

/**
 * Control characters, and those that turn text around: names may come from strangers, and a terminal
 * obeys what it is told.
 */
const UNSAFE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Prints what a command says. */
export function print(answer: Answer, json: boolean): void {
  const text = json
    ? JSON.stringify(answer.value, null, 2)
    : answer.lines.map((line) => line.replace(UNSAFE, '\ufffd')).join('\n');
  console.log(text);
}

/** Ends the process with one line that says what is wrong; never a stack trace. */
export function fail(error: unknown): never {
  console.error(`plinto: ${describeFailure(error)}`);
  process.exit(1);
}

/** SQLSTATEs that say the database is there but isn't for us: PostgreSQL manual, appendix A. */
const REFUSED = /^(28...|3D000|42501)$/;

/** One line for any failure, with what to do where that is known; a list for many settings. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const cause = rootOf(error);
  const text = oneLine(cause.message);
  if (isUnavailable(error)) {
    return `the database can't be reached (${text}): check DATABASE_URL, and that PostgreSQL runs there`;
  }
  if (REFUSED.test(String((cause as { code?: string }).code))) {
    return `the database refuses us (${text}): check DATABASE_URL`;
  }
  return text;
}

/** The first of many, and what an error with a code for a message was caused by. */
function rootOf(error: unknown): Error {
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0]);
  if (!(error instanceof Error)) return new Error(String(error));
  return isUnavailable(error) && error.cause instanceof Error ? rootOf(error.cause) : error;
}

function oneLine(text: string): string {
  // The query builder puts the whole statement before " - " and the cause.
  const said = /^(?:select|insert|update|delete|with)\b.* - (.*)$/is.exec(text)?.[1] ?? text;
  return said
    .trim()
    .replace(/\s*\n\s*/g, ' | ')
    .replace(UNSAFE, '\ufffd');
}
