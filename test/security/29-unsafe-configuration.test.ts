import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProgram } from '../support/program.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
/** Nothing answers there, and it isn't asked. */
const DATABASE_URL = 'postgres://127.0.0.1:9/plinto';
const FAIR = 'a-fair-secret-0123456789-abcdefghij';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinto-unsafe-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each<[Record<string, string>, string[]]>([
  [{ PLINTO_SECRET: 'short', PORT: 'x' }, ['PLINTO_SECRET: the secret is shorter', 'PORT: ']],
  [
    { ISSUER: 'http://id.example.com', PLINTO_SECRET: FAIR, DYNAMIC_REGISTRATION: 'open' },
    ['ISSUER: http://id.example.com is not https', 'DYNAMIC_REGISTRATION: "open"'],
  ],
  [{}, ['PLINTO_SECRET: required', 'ISSUER: required']],
])('security 29: with %j the program says what is unsafe and ends', async (env, problems) => {
  const program = startProgram(process.execPath, [MAIN, 'serve'], {
    cwd: folder,
    env: { DATABASE_URL, ...env },
  });
  expect(await program.ended).toBeGreaterThan(0);
  for (const problem of problems) expect(program.output()).toContain(problem);
  expect(program.output()).not.toMatch(/^\s+at /m);
  expect(program.output()).not.toContain(FAIR);
});
