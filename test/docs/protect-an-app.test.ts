import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, PASSWORD, SECRET, startApp, type TestApp } from '../support/app.ts';
import { type Program, startProgram } from '../support/program.ts';
import { createVisitor } from '../support/visitor.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Where the guide's app can be imported from, and finds openid-client. */
const CACHE = join(REPOSITORY, 'node_modules/.cache');

let guide: string;
let folder: string;
let home: string;
let plinto: TestApp;
let app: Program;

beforeAll(async () => {
  guide = await readFile(join(REPOSITORY, 'docs/guides/protect-an-app.md'), 'utf8');
  await mkdir(CACHE, { recursive: true });
  folder = await mkdtemp(join(CACHE, 'guide-'));
  plinto = await startApp();
  await plinto.createUser();
});

afterAll(async () => {
  await app?.stop();
  await plinto?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A code block of the guide, by the words after its language. */
function block(name: string): string {
  const found = guide.split(`\`\`\`${name}\n`)[1]?.split('```')[0];
  if (found === undefined) throw new Error(`the guide has no block ${name}`);
  return found;
}

test('the command of the guide registers the app', async () => {
  const port = await freePort();
  home = `http://localhost:${port}/`;
  const command = block('sh register')
    .replaceAll('http://localhost:4000/', home)
    .replace('npx plinto', 'node src/main.ts');
  const registering = startProgram('sh', ['-c', command], {
    env: { DATABASE_URL: plinto.database.url, ISSUER: plinto.issuer, PLINTO_SECRET: SECRET },
    cwd: REPOSITORY,
  });
  expect(await registering.ended, registering.output()).toBe(0);
  const [, CLIENT_ID = ''] = await registering.saw(/client_id +(\S+)/);
  const [, CLIENT_SECRET = ''] = await registering.saw(/client_secret +(\S+)/);

  await writeFile(join(folder, 'app.mjs'), block('js app.mjs'));
  app = startProgram('node', ['app.mjs'], {
    env: { ISSUER: plinto.issuer, PORT: String(port), CLIENT_ID, CLIENT_SECRET },
    cwd: folder,
  });
  await app.saw(/Notes is at/);
});

test('the app of the guide greets who signs in, and signs them out', async () => {
  const visitor = createVisitor();
  const form = await visitor.open(home);
  expect(form.url).toContain(`${plinto.issuer}/interaction/`);
  const credentials = { identifier: 'ada@example.com', password: PASSWORD };
  const greeting = await visitor.submit(form, '/login', credentials);
  expect(greeting).toMatchObject({ url: home, html: 'Hello Ada Lovelace\n' });

  const confirm = await visitor.open(`${home}sign-out`);
  const after = await visitor.submit(confirm, '/logout/confirm', { logout: 'yes' });
  expect(after.url).toContain(`${plinto.issuer}/interaction/`);
});

test('the app of the guide refuses an answer that it did not ask for', async () => {
  const visitor = createVisitor();
  await visitor.open(home);
  const forged = await visitor.open(`${home}callback?code=x&state=y&iss=${plinto.issuer}`);
  expect(forged).toMatchObject({ status: 400, html: expect.stringContaining('failed') });
});
