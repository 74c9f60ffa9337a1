import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** Rooms by tier, lowest first; see docs/architecture.md. A room of no tier fails. */
const TIERS = [
  'errors deps config',
  'db crypto http jobs',
  'audit mail sms webhooks oidc-state throttle',
  'users organizations clients resources devices mfa',
  'password totp recovery-codes passkeys one-time-codes federation scim',
  'login registration recovery account management console portability oidc setup',
  'app server runtime management-port metrics cli main',
].map((rooms) => rooms.split(' '));
const STORES_TIER = 3;
const TOP = TIERS.length - 1;
/** Pairs of one tier that may meet, in this direction only. */
const NEIGHBOURS = new Set(['http crypto', 'http db']);
const WALLS: Record<string, RegExp> = {
  'oidc-provider': /^oidc\//,
  samlify: /^federation\/saml\.ts$/,
  'scim-patch': /^scim\//,
};

const sources = new Map(
  readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(join('src', file), 'utf8')] as const),
);
const files = [...sources.keys()];
const imports = [...sources].flatMap(([from, text]) =>
  [...text.matchAll(/(?:from|import) ?\(?'([^']+)'/g)].map(([, name = '']) => ({
    from,
    to: name.startsWith('.') ? join(dirname(from), name) : name,
    inside: name.startsWith('.'),
  })),
);
const roomOf = (path: string) => (path.split('/')[0] ?? '').replace(/\.ts$/, '');
const tierOf = (path: string) => TIERS.findIndex((rooms) => rooms.includes(roomOf(path)));

function mayImport(from: string, to: string): boolean {
  const [high, low] = [tierOf(from), tierOf(to)];
  if (high < 0 || low < 0) return false;
  if (high > low || roomOf(from) === roomOf(to) || high + low === 2 * TOP) return true;
  if (high === STORES_TIER && low === STORES_TIER) return to.endsWith('/store.ts');
  return NEIGHBOURS.has(`${roomOf(from)} ${roomOf(to)}`);
}

/** Files with a line that matches, as file:line, except where it is allowed. */
function linesLike(pattern: RegExp, allowed: RegExp): string[] {
  return [...sources]
    .filter(([file]) => !allowed.test(file))
    .flatMap(([file, text]) =>
      text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}`] : [])),
    );
}

/** Functions by their indentation: the formatter puts every closing brace below its opening line. */
function longFunctions(limit: number): string[] {
  return [...sources].flatMap(([file, text]) => {
    const lines = text.split('\n');
    return lines.flatMap((line, start) => {
      if (!/(\bfunction\b|=>|^\s+(async )?\w+\().*\{$|^ *\).*\{$/.test(line)) return [];
      const indent = line.match(/^ */)?.[0] ?? '';
      const length = lines.slice(start + 1).findIndex((l) => l.startsWith(`${indent}}`)) + 2;
      return length > limit ? [`${file}:${start + 1} (${length})`] : [];
    });
  });
}

function folderSizes(): [string, number][] {
  return [...new Set(files.map(dirname))]
    .filter((folder) => folder !== '.')
    .map((folder) => [folder, files.filter((file) => dirname(file) === folder).length]);
}

const importsUpward = () =>
  imports.filter((i) => i.inside && !mayImport(i.from, i.to)).map((i) => `${i.from} -> ${i.to}`);
const importsThroughWalls = () =>
  imports
    .filter(({ from, to }) => WALLS[to]?.test(from) === false)
    .map((i) => `${i.from}: ${i.to}`);
const undocumented = () =>
  [...sources].flatMap(([file, text]) =>
    [...text.matchAll(/(.*)\n(?:export (?:async )?function (\w+)|export const (\w+) = .*=>)/g)]
      .filter(([, above = '']) => !above.endsWith('*/'))
      .map(([, , name, constant]) => `${file}: ${name ?? constant}`),
  );
const SQL = /\.raw\(|\.query\(|\b(trx|db)\('|\.from\('|\bexecute[<(]/;
const SQL_ROOMS = /(^|\/)(store|[\w-]+-sql)\.ts$|^(db|oidc-state)\//;
// What is compared with timestamps that oidc-provider made has to read the same clock as it does.
const CLOCK_ROOMS = /^(oidc\/|runtime\.ts$)/;

test.each<[string, () => string[]]>([
  ['imports go down the tiers', importsUpward],
  ['libraries stay behind their walls', importsThroughWalls],
  ['SQL stays in stores', () => linesLike(SQL, SQL_ROOMS)],
  [
    'only the command line reads the environment',
    () => linesLike(/process\.env\b/, /^cli\/|^main/),
  ],
  [
    'time and chance are arguments',
    () => linesLike(/Date\.now\(|Math\.random\(|new Date\(\)/, CLOCK_ROOMS),
  ],
  ['there are no default exports', () => linesLike(/^export default/, /^$/)],
  ['exported functions say what they give', undocumented],
  [
    'files have at most 300 lines',
    () => files.filter((f) => (sources.get(f)?.split('\n').length ?? 0) > 301),
  ],
  ['functions have at most 60 lines', () => longFunctions(60)],
  [
    'folders have at most 12 files',
    () =>
      folderSizes()
        .filter(([, n]) => n > 12)
        .map(String),
  ],
  [
    'nothing is a box of odds and ends',
    () => files.filter((f) => /utils?\b|helpers?\b|common|misc/i.test(f)),
  ],
])('%s', (_, breaches) => {
  expect(files).toContain('oidc/provider.ts');
  expect(breaches()).toEqual([]);
});
