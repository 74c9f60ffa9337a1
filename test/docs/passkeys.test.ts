import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { SECRET } from '../support/app.ts';

const PRODUCTION = { DATABASE_URL: 'postgres://plinto@db/plinto', PLINTO_SECRET: SECRET };

let guide: string;

beforeAll(async () => {
  guide = await readFile(join(import.meta.dirname, '../../docs/guides/passkeys.md'), 'utf8');
});

/** What the guide's nth block of settings makes of passkeys. */
function settings(nth: number) {
  const blocks = [...guide.matchAll(/^```sh\n(ISSUER=[^`]+)```/gm)];
  const lines = String(blocks[nth]?.[1]).trim().split('\n');
  const env = Object.fromEntries(lines.map((line) => line.split('=')));
  return parseConfig({ ...PRODUCTION, ...env }).passkeys;
}

test('the passkeys of a parent domain take answers from the issuer alone', () => {
  expect(settings(0)).toMatchObject({
    rpId: 'example.com',
    origins: ['https://id.example.com'],
  });
});

test('the list of related origins is the one that the settings make', () => {
  const json = /```json\n([^`]+)```/.exec(guide)?.[1] ?? '';
  const { rpId, origins } = settings(1);
  expect(rpId).toBe('id.example.com');
  expect(JSON.parse(json)).toEqual({ origins });
});

test('an issuer that moved is among the origins that are told at the old domain', () => {
  expect(settings(2)).toMatchObject({
    rpId: 'id.example.com',
    origins: ['https://id.example.net', 'https://id.example.com'],
  });
});
