import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { findPostmaster } from '../../src/db/embedded-postmaster.ts';
import { freePort, PASSWORD } from '../support/app.ts';
import { type Program, startProgram } from '../support/program.ts';
import { createVisitor, pageName } from '../support/visitor.ts';
import { expectFailure, jsonOf, MAIN, type Outcome, plinto } from './plinto.ts';

/** How the first start ends its words. */
const READY = /npm run demo\n\n/;

let folder: string;
let port: number;
let issuer: string;
let env: Record<string, string>;
const programs: Program[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinto-start-'));
  // For PostgreSQL, which isn't root when the tests are.
  await chmod(folder, 0o755);
  port = await freePort();
  issuer = `http://localhost:${port}`;
  env = { PORT: String(port), MANAGEMENT_PORT: '0' };
});

afterAll(async () => {
  await Promise.all(programs.map((program) => program.stop()));
  await rm(folder, { recursive: true, force: true });
});

function serve(...args: string[]): Program {
  const program = startProgram('node', [MAIN, ...args], { env, cwd: folder });
  programs.push(program);
  return program;
}

function beside(...args: string[]): Promise<Outcome> {
  return plinto(args, { env, cwd: folder });
}

async function isServed(): Promise<boolean> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  return ((await response.json()) as { issuer: string }).issuer === issuer;
}

let link: string;
let dataDir: string;

test('the first start in an empty folder says where it is, where its data is and what is next', async () => {
  const program = serve();
  await program.saw(READY);
  const [, data = '', setup = '', mails] =
    /^\n {2}Plinto is ready at \S+\n {2}Data: (.+)\n {2}Create the first administrator \(once, within a day\): (\S+)\n {2}Mails it would send: (\S+)\n {2}Try it with a sample app: npm run demo\n\n$/.exec(
      program.output(),
    ) ?? [];
  expect(program.output()).toContain(`Plinto is ready at ${issuer}\n`);
  dataDir = data;
  link = setup;
  expect(link.startsWith(`${issuer}/setup/`)).toBe(true);
  expect(mails).toBe(`${issuer}/dev/mail`);
  expect((await fetch(String(mails))).status).toBe(200);
  expect((await stat(join(dataDir, 'PG_VERSION'))).isFile()).toBe(true);
  expect((await stat(join(folder, '.plinto/secret'))).mode & 0o777).toBe(0o600);
});

test('commands work beside it, on its embedded database, and it runs on', async () => {
  const user = await jsonOf(
    beside('user', 'create', '--username', 'ada', '--no-password', '--json'),
  );
  expect(user).toMatchObject({ username: 'ada' });
  const [list, doctor] = await Promise.all([
    beside('user', 'list', '--json'),
    beside('doctor', '--json'),
  ]);
  expect(list.json()).toMatchObject({ items: [{ username: 'ada' }], next: null });
  const { checks } = doctor.json<{ checks: { name: string; status: string }[] }>();
  expect(checks).toContainEqual(expect.objectContaining({ name: 'address', status: 'ok' }));
  expect(checks).toContainEqual(expect.objectContaining({ name: 'setup', status: 'warn' }));
  expect(await isServed()).toBe(true);
});

test('the setup link makes an administrator, once', async () => {
  const visitor = createVisitor();
  const page = await visitor.open(link);
  expect(pageName(page)).toBe('setup');
  const done = await visitor.submit(page, new URL(link).pathname, {
    email: 'grace@example.com',
    name: 'Grace Hopper',
    new_password: PASSWORD,
  });
  expect(pageName(done)).toBe('setup-done');
  expect((await createVisitor().open(link)).status).toBe(400);
  const user = await jsonOf(beside('user', 'show', 'grace@example.com', '--json'));
  expect(user).toMatchObject({ administrator: true });
});

test('a second server on its port is refused in one line, and harms nothing', async () => {
  await expectFailure(
    plinto(['serve'], { env, cwd: folder }),
    `port ${port} is taken: stop what uses it, or set PORT to another`,
  );
  expect(await isServed()).toBe(true);
});

test('it stops with its database; the next start prints no link, as somebody administers it', async () => {
  expect(await programs[0]?.stop()).toBe(0);
  expect(await findPostmaster(dataDir)).toBeUndefined();

  const program = serve('serve');
  await program.saw(READY);
  expect(program.output()).not.toContain('/setup/');
  expect(program.output()).toContain(`Data: ${dataDir}\n`);
  expect(await program.stop()).toBe(0);

  const json = serve('serve', '--json');
  await json.saw(/^}\n/m);
  expect(JSON.parse(json.output())).toEqual({
    issuer,
    data: dataDir,
    mails: `${issuer}/dev/mail`,
  });
  expect(await json.stop()).toBe(0);
  expect(await findPostmaster(dataDir)).toBeUndefined();
});

test('commands work without a server too, and leave no database running', async () => {
  const list = await jsonOf<{ items: object[] }>(beside('user', 'list', '--json'));
  expect(list.items).toHaveLength(2);
  await expectFailure(beside('user', 'show', 'nobody'), 'there is no user nobody');
  expect(await findPostmaster(dataDir)).toBeUndefined();
});

test('a command is the first to use a folder: it makes the database by itself', async () => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  const keys = await plinto(['keys', 'list', '--json'], { env, cwd: empty });
  expect(keys).toMatchObject({ code: 0, stderr: '' });
  expect(keys.json()).toEqual({ items: [] });
  const place = (await jsonOf<{ checks: { message: string }[] }>(
    plinto(['doctor', '--json'], { env, cwd: empty }),
  )) as { checks: { name?: string; status?: string }[] };
  expect(place.checks).toContainEqual(
    expect.objectContaining({ name: 'migrations', status: 'ok' }),
  );
});

test('an interrupted command leaves no database running', async () => {
  const args = [MAIN, 'user', 'create', '--username', 'eve', '--password-stdin'];
  const { PATH = '' } = process.env;
  const child = spawn('node', args, { cwd: folder, env: { PATH, ...env } });
  // It waits for a password that never comes.
  await expect.poll(() => findPostmaster(dataDir), { timeout: 20_000 }).toBeDefined();
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([130, null]);
  expect(await findPostmaster(dataDir)).toBeUndefined();
});

test('a port that somebody else has is told in one line', async () => {
  const stranger = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => new Promise((resolve) => stranger.close(() => resolve())));
  await new Promise((resolve) => stranger.once('listening', resolve));
  const taken = String((stranger.address() as { port: number }).port);
  await expectFailure(
    plinto(['serve'], { env: { ...env, PORT: taken }, cwd: folder }),
    `port ${taken} is taken`,
  );
});
