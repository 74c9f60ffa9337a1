import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const DOCUMENTS = [
  ...readdirSync(REPOSITORY).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(REPOSITORY, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));

const read = (document: string) => readFileSync(join(REPOSITORY, document), 'utf8');

/** Whether words name a command, as far as they could: arguments and options end the name. */
async function isCommand(words: string[]): Promise<boolean> {
  let command = await createProgram(words.slice(0, 1));
  for (const word of words) {
    if (command.commands.length === 0) return true;
    const next = command.commands.find((c) => c.name() === word);
    if (next === undefined) return false;
    command = next;
  }
  return true;
}

test('the documents link to what is there', () => {
  const missing = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(REPOSITORY, dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  expect(DOCUMENTS).toContain('README.md');
  expect(missing).toEqual([]);
});

test('the documents name commands that exist', async () => {
  const text = DOCUMENTS.map(read).join('\n');
  const scripts = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name);
  expect(scripts).toContain('demo');
  expect(scripts.filter((name) => manifest.scripts[name] === undefined)).toEqual([]);
  const named = [...text.matchAll(/(?:npx |`)plinto((?: [a-z][a-z-]*)+)/g)];
  expect(named.length).toBeGreaterThan(10);
  for (const [, words = ''] of named) {
    expect(await isCommand(words.trim().split(' ')), `plinto${words}`).toBe(true);
  }
});
