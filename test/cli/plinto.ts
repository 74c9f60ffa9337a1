import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir, userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { SECRET } from '../support/app.ts';

/** The folder of package.json. */
export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** The program as `bin` in package.json has it. */
export const MAIN = `${PROJECT}src/main.ts`;

/** Who the audit log says acted. */
export const ACTOR = `cli:${userInfo().username}`;

export type Outcome = {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What was printed, as JSON. */
  json: <T = Record<string, unknown>>() => T;
};

export type Invocation = {
  env?: Record<string, string>;
  /** What it reads from standard input, which is no terminal. */
  input?: string;
  cwd?: string;
};

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  { env = {}, input = '', cwd = tmpdir() }: Invocation = {},
): Promise<Outcome> {
  const { PATH = '', HOME = '/' } = process.env;
  const child = spawn(command, args, { cwd, env: { PATH, HOME, ...env }, stdio: 'pipe' });
  // It may end without reading.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr, json: () => JSON.parse(stdout) };
}

/** Where Node keeps what it made of the program: its first file, too, needn't be made of TypeScript. */
export const COMPILED = `${PROJECT}node_modules/.cache/plinto`;

/** Runs `plinto` with these arguments. */
export function plinto(args: readonly string[], options: Invocation = {}): Promise<Outcome> {
  const env = { NODE_COMPILE_CACHE: COMPILED, ...options.env };
  return run(process.execPath, [MAIN, ...args], { ...options, env });
}

/** `plinto` on a database, with the settings of the test application that may serve it. */
export function plintoOn(
  { url }: { url: string },
  env: Record<string, string> = {},
): (args: readonly string[], input?: string) => Promise<Outcome> {
  const settings = { DATABASE_URL: url, PLINTO_SECRET: SECRET, ISSUER: 'http://localhost:3000' };
  return (args, input = '') => plinto(args, { input, env: { ...settings, ...env } });
}

/** Expects success and gives what was printed as JSON. */
export async function jsonOf<T = Record<string, unknown>>(run: Promise<Outcome>): Promise<T> {
  const outcome = await run;
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  return outcome.json<T>();
}

/** Expects a failure that is told in one line, and nothing else. */
export async function expectFailure(
  run: Promise<Outcome>,
  line: string | RegExp,
  code = 1,
): Promise<void> {
  const { stdout, stderr, ...outcome } = await run;
  expect(stderr).toMatch(/^plinto: [^\n]+\n$/);
  expect(stderr).toMatch(line);
  expect({ stdout, code: outcome.code }).toEqual({ stdout: '', code });
}
