import { ConfigError } from '../config.ts';

/** Ends the command with one line that says what to do; never a stack trace. */
export function fail(error: unknown): never {
  const text = error instanceof Error ? error.message : String(error);
  console.error(error instanceof ConfigError ? text : `plinto: ${text}`);
  process.exit(1);
}

/** Prints a result: JSON for programs, lines for people. */
export function print(json: boolean, value: unknown, lines: readonly string[]): void {
  console.log(json ? JSON.stringify(value, null, 2) : lines.join('\n'));
}
