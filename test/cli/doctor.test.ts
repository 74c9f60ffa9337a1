import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { v7 as uuid } from 'uuid';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Check } from '../../src/cli/doctor/check.ts';
import { databaseChecks } from '../../src/cli/doctor/database.ts';
import { mailCheck } from '../../src/cli/doctor/messages.ts';
import { reachCheck, settingsChecks } from '../../src/cli/doctor/settings.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import { seal } from '../../src/crypto/secret-box.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Db } from '../../src/deps.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { createLogger, openRuntime, type Runtime } from '../../src/runtime.ts';
import { SECRET, startApp, type TestApp } from '../support/app.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { plinto, plintoOn } from './plinto.ts';

const OTHER_SECRET = 'test-only-91b4d07cfa5e4be2a8d35f60c17e2d94';
const SAFE = {
  DATABASE_URL: 'postgres://plinto@db/plinto',
  ISSUER: 'https://id.example.com',
  PLINTO_SECRET: SECRET,
  TRUST_PROXY: '1',
};

/** `status` of each check by name; the worst where a name is there twice. */
function statuses(checks: readonly Check[]): Record<string, Check['status']> {
  const order = ['ok', 'warn', 'fail'];
  const sorted = checks.toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  return Object.fromEntries(sorted.map(({ name, status }) => [name, status]));
}

function find(checks: readonly Check[], name: string): Check[] {
  return checks.filter((check) => check.name === name);
}

describe('settings', () => {
  test.each<{ name: string; env: Record<string, string>; expected: Record<string, string> }>([
    {
      name: 'a safe production setup',
      env: SAFE,
      expected: { setup: 'ok', issuer: 'ok', proxy: 'ok', secret: 'ok', passkeys: 'ok' },
    },
    {
      name: 'development',
      env: {},
      expected: { setup: 'warn', issuer: 'warn', proxy: 'ok', passkeys: 'ok' },
    },
    {
      name: 'https without a trusted proxy',
      env: { ...SAFE, TRUST_PROXY: '0' },
      expected: { setup: 'ok', issuer: 'ok', proxy: 'warn', secret: 'ok', passkeys: 'ok' },
    },
    {
      name: 'a trusted proxy without https',
      env: { ...SAFE, ISSUER: 'http://localhost:3000' },
      expected: { setup: 'ok', issuer: 'warn', proxy: 'warn', secret: 'ok', passkeys: 'ok' },
    },
    {
      name: 'a secret that repeats itself, and an old one that is random',
      env: { ...SAFE, PLINTO_SECRET: `${'abcd'.repeat(9)},${SECRET}` },
      expected: {
        ...{ setup: 'ok', issuer: 'ok', proxy: 'ok', passkeys: 'ok' },
        ...{ secret: 'warn', 'old secret': 'ok' },
      },
    },
    {
      name: 'passkeys of a parent domain',
      env: { ...SAFE, PASSKEY_RP_ID: 'example.com' },
      expected: { setup: 'ok', issuer: 'ok', proxy: 'ok', secret: 'ok', passkeys: 'ok' },
    },
    {
      name: 'passkeys of another domain, whose name ends alike',
      env: { ...SAFE, PASSKEY_RP_ID: 'ample.com' },
      expected: { setup: 'ok', issuer: 'ok', proxy: 'ok', secret: 'ok', passkeys: 'warn' },
    },
    {
      name: 'no passkeys',
      env: { ...SAFE, PASSKEY_RP_ID: 'ample.com', MFA_FACTORS: 'totp' },
      expected: { setup: 'ok', issuer: 'ok', proxy: 'ok', secret: 'ok' },
    },
  ])('of $name', ({ env, expected }) => {
    const checks = settingsChecks(parseConfig(env));
    expect(statuses(checks)).toEqual(expected);
    for (const { status, fix } of checks) expect(fix !== undefined).toBe(status !== 'ok');
  });

  test('an address that leads to somebody else is a failure', async () => {
    const server = createServer((_req, res) => {
      res.setHeader('content-type', 'application/json').end('{"issuer":"https://other"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await reachCheck(parseConfig({ ISSUER: issuer }))).toMatchObject({
      status: 'fail',
      message: `${issuer}/.well-known/openid-configuration says it is https://other`,
    });
  });

  test('that are refused, and a database that is away, are told with exit code 1', async () => {
    const away = { ...SAFE, DATABASE_URL: 'postgres://x@127.0.0.1:1/x', ISSUER: 'http://[::1]:1' };
    const [refused, gone] = await Promise.all([
      plinto(['doctor', '--json'], { env: { PORT: 'x', LOG_LEVEL: 'y' } }),
      plinto(['doctor', '--json'], { env: away }),
    ]);
    expect(refused).toMatchObject({ code: 1, stderr: '' });
    expect(refused.json()).toMatchObject({
      ok: false,
      checks: [
        { name: 'configuration', status: 'fail', message: expect.stringContaining('PORT') },
        { name: 'configuration', status: 'fail', message: expect.stringContaining('LOG_LEVEL') },
      ],
    });
    expect(gone).toMatchObject({ code: 1, stderr: '' });
    const { checks } = gone.json<{ checks: Check[] }>();
    expect(statuses(checks)).toMatchObject({ address: 'warn', database: 'fail' });
    expect(find(checks, 'database')[0]?.message).toContain('ECONNREFUSED');
  });
});

describe('mail', () => {
  const login = { user: 'plinto', pass: 'correct horse' };
  let mailbox: Mailbox;
  beforeAll(async () => {
    mailbox = await startMailbox({ login });
  });
  afterAll(() => mailbox.stop());

  const url = (pass: string) =>
    `smtp://plinto:${encodeURIComponent(pass)}@127.0.0.1:${mailbox.port}`;

  test.each<{ name: string; env: () => Record<string, string>; status: string; says: string }>([
    { name: 'that is off', env: () => SAFE, status: 'warn', says: 'is off' },
    {
      name: 'of development',
      env: () => ({ PORT: '4321' }),
      status: 'ok',
      says: 'http://localhost:4321/dev/mail',
    },
    {
      name: 'that works',
      env: () => ({ ...SAFE, SMTP_URL: url(login.pass), MAIL_FROM: 'a@example.com' }),
      status: 'ok',
      says: 'takes it, from a@example.com',
    },
    {
      name: 'with a wrong password',
      env: () => ({ ...SAFE, SMTP_URL: url('mistaken') }),
      status: 'fail',
      says: 'refuses the login',
    },
    {
      name: 'whose server is away',
      env: () => ({ ...SAFE, SMTP_URL: 'smtp://127.0.0.1:1' }),
      status: 'fail',
      says: 'ECONNREFUSED',
    },
  ])('$name: $status', async ({ env, status, says }) => {
    const check = await mailCheck(parseConfig(env()));
    expect(check).toMatchObject({ name: 'mail', status });
    expect(check.message).toContain(says);
    expect(check.fix !== undefined).toBe(status !== 'ok');
    expect(JSON.stringify(check)).not.toMatch(/correct horse|mistaken/);
    expect(mailbox.messages).toEqual([]);
  });
});

describe('a running installation', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app.stop());

  test('is well, apart from an administrator; people read lines, programs JSON', async () => {
    const on = plintoOn(app.database, { ISSUER: app.issuer });
    const [people, programs] = await Promise.all([on(['doctor']), on(['doctor', '--json'])]);
    expect(programs).toMatchObject({ code: 0, stderr: '' });
    const { ok, checks } = programs.json<{ ok: boolean; checks: Check[] }>();
    expect(ok).toBe(true);
    expect(statuses(checks)).toEqual({
      setup: 'ok',
      issuer: 'warn',
      proxy: 'ok',
      secret: 'ok',
      passkeys: 'ok',
      address: 'ok',
      mail: 'warn',
      database: 'ok',
      clock: 'ok',
      migrations: 'ok',
      'signing keys': 'ok',
      jobs: 'ok',
      messages: 'ok',
      administrator: 'warn',
    });
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout).toMatch(/^ok +database +PostgreSQL 1[5-9]\.\d+ at /m);
    expect(people.stdout).toMatch(/^ +-> run `plinto setup-link`$/m);
    expect(people.stdout).toMatch(/\n0 to repair, 3 to look at\.\n$/);
    expect(people.stdout + programs.stdout).not.toContain(SECRET);

    const { id } = await app.createUser({ administrator: true });
    const after = (await on(['doctor', '--json'])).json<{ checks: Check[] }>();
    expect(statuses(after.checks)).toMatchObject({ administrator: 'ok', 'second factors': 'warn' });
    expect(find(after.checks, 'second factors')[0]?.message).toContain('1 of 1 administrators');
    await app.runtime.deps.db('totp_credentials').insert({ id, user_id: id, secret: 'sealed' });
    const last = (await on(['doctor', '--json'])).json<{ checks: Check[] }>();
    expect(statuses(last.checks)['second factors']).toBe('ok');
  });
});

describe('a database', () => {
  let database: TestDatabase;
  let config: Config;
  let runtime: Runtime;
  let db: Db;

  beforeAll(async () => {
    database = await createDatabase();
    config = parseConfig({ ...SAFE, DATABASE_URL: database.url });
    runtime = await openRuntime(config, createLogger('silent'));
    db = runtime.deps.db;
  });
  afterAll(async () => {
    await runtime.close();
    await database.drop();
  });

  const check = async (name: string): Promise<Check[]> =>
    find(await databaseChecks(config, runtime), name);

  test.each([
    { off: 0, status: 'ok' },
    { off: 10_000, status: 'warn' },
    { off: -3_600_000, status: 'fail' },
  ])('whose clock is $off ms off: $status', async ({ off, status }) => {
    const now = () => new Date(Date.now() + off);
    const checks = await databaseChecks(config, { ...runtime, deps: { ...runtime.deps, now } });
    expect(find(checks, 'clock')).toMatchObject([{ status }]);
  });

  test('tells what still depends on an old secret, until nothing does', async () => {
    const on = (secret: string) => plintoOn(database, { PLINTO_SECRET: secret });
    const secretsOf = async (secret: string): Promise<[string, string][]> => {
      const { checks } = (await on(secret)(['doctor', '--json'])).json<{ checks: Check[] }>();
      return checks
        .filter(({ name }) => name.endsWith('secret'))
        .map(({ status, message }) => [status, message]);
    };
    expect(await check('signing keys')).toMatchObject([
      { status: 'warn', message: 'there are none yet' },
    ]);
    const machine = ['client', 'create', '--name', 'x', '--id', 'x', '--type', 'machine'];
    expect((await on(SECRET)(machine)).code).toBe(0);
    expect(await check('signing keys')).toMatchObject([{ status: 'ok' }]);

    const user_id = uuid();
    const secret = seal(runtime.keyring.box, 'totp', 'key of an app');
    await db('users').insert({ id: user_id, email: 'a@example.com', status: 'active' });
    await db('totp_credentials').insert({ id: user_id, user_id, secret });
    const fine = ['ok', 'long and random enough'];
    const both = `${OTHER_SECRET},${SECRET}`;
    expect(await secretsOf(both)).toEqual([
      fine,
      fine,
      ['warn', '5 signing keys, 1 client secrets, and 1 authenticator apps still depend on it'],
    ]);
    expect(await secretsOf(OTHER_SECRET)).toEqual([
      fine,
      ['fail', '5 signing keys depend on a secret that PLINTO_SECRET no longer has'],
      ['fail', '1 client secrets depend on a secret that PLINTO_SECRET no longer has'],
      ['fail', '1 authenticator apps depend on a secret that PLINTO_SECRET no longer has'],
    ]);
    const mailer = createMailer({ enabled: true, boxKeys: runtime.keyring.box });
    const mail = {
      template: 'account-deleted',
      to: 'a@example.com',
      locale: 'en',
      vars: {},
    } as const;
    await transaction(db, (trx) => mailer.queue(trx, mail));
    expect((await secretsOf(OTHER_SECRET)).at(-1)).toEqual([
      'fail',
      '1 queued messages depend on a secret that PLINTO_SECRET no longer has',
    ]);
    await db.raw('DELETE FROM graphile_worker._private_jobs');
    await db('totp_credentials').delete();
    // What a running server does by itself, as its keys and clients are used.
    expect((await on(both)(['keys', 'rotate'])).code).toBe(0);
    expect((await on(both)(['client', 'rotate-secret', 'x', '--overlap', '0'])).code).toBe(0);
    expect(await secretsOf(both)).toEqual([
      fine,
      fine,
      ['ok', 'nothing stored depends on it: drop it from PLINTO_SECRET when you like'],
    ]);
  });

  test('whose keys should have been replaced long ago', async () => {
    await db('signing_keys').update({ activated_at: db.raw("now() - interval '91 days'") });
    const message = 'the oldest has signed for 91 days and should have been replaced';
    expect(await check('signing keys')).toMatchObject([{ status: 'fail', message }]);
  });

  test('whose jobs wait or failed for good', async () => {
    await db.raw(`SELECT graphile_worker.add_job('late', run_at => now() - interval '1 hour'),
      graphile_worker.add_job('due', run_at => now() - interval '1 minute'),
      graphile_worker.add_job('later', run_at => now() + interval '1 hour'),
      graphile_worker.add_job('hopeless', max_attempts => 1)`);
    await db.raw(`SELECT graphile_worker.permanently_fail_jobs(
      (SELECT array_agg(id) FROM graphile_worker.jobs WHERE task_identifier = 'hopeless'), 'x')`);
    expect(await check('jobs')).toMatchObject([
      { status: 'warn', message: '2 wait, the longest for 60 min' },
      { status: 'warn', message: '1 failed for good: hopeless' },
    ]);
  });

  test('with messages that were refused lately', async () => {
    const event = (type: string, template: string, days: number) =>
      db('audit_events').insert({
        id: uuid(),
        type,
        actor: 'system',
        at: db.raw("now() - ? * interval '1 day'", [days]),
        data: JSON.stringify({ template, status: 550 }),
      });
    expect(await check('messages')).toMatchObject([{ status: 'ok' }]);
    await event('mail.refused', 'sign-up-code', 8);
    expect(await check('messages')).toMatchObject([{ status: 'ok' }]);
    await event('mail.refused', 'invitation', 6);
    await event('sms.refused', 'code', 0);
    expect(await check('messages')).toMatchObject([
      { status: 'warn', message: '2 refused for good in 7 days: code, invitation' },
    ]);
  });

  test('that lacks migrations is not looked at further', async () => {
    const last = await db('schema_migrations').orderBy('id', 'desc').first();
    await db('schema_migrations').where({ id: last.id }).delete();
    onTestFinished(async () => {
      await db('schema_migrations').insert(last);
    });
    const checks = await databaseChecks(config, runtime);
    expect(statuses(checks)).toEqual({ database: 'ok', clock: 'ok', migrations: 'fail' });
    expect(find(checks, 'migrations')).toMatchObject([{ fix: 'run `plinto migrate`' }]);
  });
});
