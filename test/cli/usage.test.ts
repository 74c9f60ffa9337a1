import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { configMarkdown } from '../../src/config/docs.ts';
import { SECRET } from '../support/app.ts';
import { administer, createDatabase } from '../support/db.ts';
import { expectFailure, jsonOf, PROJECT, plinto, plintoOn, run } from './plinto.ts';

const manifest = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));

const COMMANDS: [string, string[]][] = [
  ['serve', []],
  ['migrate', []],
  ['setup-link', []],
  [
    'user',
    [
      ...['create', 'list', 'show', 'suspend', 'activate', 'set-password'],
      ...['invite', 'update', 'verify-email', 'remove-picture', 'reset-password', 'reset-mfa'],
      ...['sessions', 'end-session', 'apps', 'revoke-app', 'activity', 'export', 'delete', 'keep'],
    ],
  ],
  ['client', ['create', 'list', 'show', 'update', 'rotate-secret', 'delete']],
  ['resource', ['create', 'list', 'show', 'update', 'assign', 'unassign', 'delete']],
  ['role', ['create', 'list', 'show', 'update', 'grant', 'revoke', 'delete']],
  ['registration-token', ['create']],
  ['keys', ['list', 'rotate', 'delete']],
  ['doctor', []],
  ['config', ['check', 'docs']],
];

describe('without a database', () => {
  test('--version says the version of the package, and --help what there is', async () => {
    const [version, help] = await Promise.all([plinto(['--version']), plinto(['--help'])]);
    expect(version).toMatchObject({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of COMMANDS.map(([command]) => command)) {
      expect(help.stdout).toMatch(new RegExp(`^  ${name} +\\w`, 'm'));
    }
  });

  test.each(COMMANDS)(
    '%s: the commands %j, each described and with --json',
    async (name, names) => {
      const program = await createProgram([name]);
      const command = program.commands.find((c) => c.name() === name);
      const subcommands = command?.commands ?? [];
      expect(subcommands.map((c) => c.name())).toEqual(names);
      for (const leaf of names.length > 0 ? subcommands : [command]) {
        expect(leaf?.description()).not.toBe('');
        // What prints Markdown has no other form.
        const json = leaf?.options.some(({ long }) => long === '--json');
        expect([leaf?.name(), json]).toEqual([leaf?.name(), leaf?.name() !== 'docs']);
      }
    },
  );

  test.each<{ args: string[]; says: string }>([
    { args: ['serv'], says: "unknown command 'serv'" },
    { args: ['user', 'sho'], says: "unknown command 'sho'" },
    { args: ['user', 'show'], says: "missing required argument 'user'" },
    { args: ['user', 'list', '--limit', '0'], says: 'a whole number from 1 to 1000' },
    { args: ['client', 'create', '--type', 'app'], says: 'choices are web, spa, native, machine' },
    { args: ['client', 'create', '--metadata', '{'], says: 'It must be a JSON object' },
    { args: ['client', 'create', '--metadata', '[]'], says: 'It must be a JSON object' },
    { args: ['client', 'create', '--id', 'a b'], says: 'letters, digits' },
    { args: ['client', 'rotate-secret', 'x', '--overlap', '-1'], says: 'a whole number from 0' },
    { args: ['resource', 'create', '--name', 'x'], says: "required option '--indicator <uri>'" },
    {
      args: ['resource', 'create', '--name', 'x', '--indicator', 'https://x'],
      says: "required option '--permission <name[=words]>'",
    },
    { args: ['keys', 'rotate', '--soon'], says: "unknown option '--soon'" },
    { args: ['user', 'create', '--password', 'x'], says: 'unknown option' },
  ])('$args is misuse: one line, exit code 2', async ({ args, says }) => {
    await expectFailure(plinto(args), says, 2);
  });

  test('config check lists what is in force without secrets, or everything that is wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plinto-cli-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, '.env'), `PORT=4000\nPLINTO_SECRET=${SECRET}\n`);
    const [people, programs, wrong, wrongJson, docs] = await Promise.all([
      plinto(['config', 'check'], { cwd: folder }),
      plinto(['config', 'check', '--json'], { cwd: folder }),
      plinto(['config', 'check'], { env: { PORT: 'x', LOG_LEVEL: 'y' } }),
      plinto(['config', 'check', '--json'], { env: { PORT: 'x', LOG_LEVEL: 'y' } }),
      plinto(['config', 'docs']),
    ]);
    expect(people.stdout).toMatch(/^PORT +set +4000$/m);
    expect(people.stdout).not.toContain(SECRET);
    expect(programs.stdout).not.toContain(SECRET);
    expect(programs.json()).toMatchObject({
      ok: true,
      production: false,
      settings: expect.arrayContaining([
        { name: 'PORT', value: 4000, source: 'set' },
        { name: 'TRUST_PROXY', value: 0, source: 'default' },
        expect.objectContaining({ name: 'PLINTO_SECRET', value: '(not shown)', source: 'set' }),
      ]),
    });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/^plinto: .* 2 problems:\n {2}- PORT: .*\n {2}- LOG_LEVEL: .*\n$/);
    expect(wrongJson).toMatchObject({ code: 1, stderr: '' });
    expect(wrongJson.json()).toEqual({
      ok: false,
      problems: [expect.any(String), expect.any(String)],
    });
    expect(docs.stdout).toBe(configMarkdown());
  });
});

describe('npx plinto, from the checkout', () => {
  const path = (process.env.PATH ?? '').split(delimiter);
  const system = path.filter((folder) => !folder.endsWith('node_modules/.bin'));

  test.each([
    { name: "with the system's Node first on PATH", folders: system },
    { name: "with the project's Node first", folders: [`${PROJECT}node_modules/.bin`, ...system] },
  ])('works $name', async ({ folders }) => {
    const env = { PATH: folders.join(delimiter), npm_config_loglevel: 'error' };
    const { code, stdout } = await run('npx', ['plinto', '--version'], { env, cwd: PROJECT });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${manifest.version}\n` });
  });
});

describe('on a database', () => {
  test.each([
    {
      name: 'nothing listens',
      change: (url: URL) => {
        url.port = '1';
      },
      says: /can't be reached \(connect ECONNREFUSED .*\): check DATABASE_URL/,
    },
    {
      name: 'the password is wrong',
      change: (url: URL) => {
        url.password = 'wrong';
      },
      says: /refuses us \(password authentication failed .*\): check DATABASE_URL/,
    },
    {
      name: 'there is no such database',
      change: (url: URL) => {
        url.pathname = '/nowhere';
      },
      says: /refuses us \(database "nowhere" does not exist\): check DATABASE_URL/,
    },
  ])('says what to do when $name', async ({ change, says }) => {
    const url = new URL(inject('postgres'));
    change(url);
    const on = plintoOn({ url: url.href });
    await Promise.all(
      [['user', 'list'], ['migrate'], ['serve']].map((args) => expectFailure(on(args), says)),
    );
  });

  test('of an older release asks for `plinto migrate`, which brings it up to date', async () => {
    const database = await createDatabase();
    onTestFinished(database.drop);
    await database.drop();
    await administer(`CREATE DATABASE ${database.name}`);
    const on = plintoOn(database);
    const names = readdirSync(join(PROJECT, 'migrations')).filter((name) => name.endsWith('.ts'));

    await expectFailure(
      on(['user', 'list']),
      `lacks ${names.length} migrations: run \`plinto migrate\``,
    );
    expect(await jsonOf(on(['migrate', '--json']))).toEqual({ applied: names.sort() });
    const [again, users] = await Promise.all([on(['migrate']), on(['user', 'list'])]);
    expect(again).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' });
    expect(users).toMatchObject({ code: 0, stdout: 'There are no users.\n' });
  });
});
