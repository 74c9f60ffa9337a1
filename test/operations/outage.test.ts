import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { type EmbeddedDatabase, openEmbedded } from '../../src/db/embedded.ts';
import { findPostmaster } from '../../src/db/embedded-postmaster.ts';
import { rotateKeys } from '../../src/oidc/keys/keys.ts';
import { keyPolicy } from '../../src/oidc/oidc.ts';
import { CALLBACK, freePort, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../support/authorization.ts';
import { type ServerProcess, startServerProcess, statusOf } from '../support/server-process.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

/** Milliseconds, by security 31. */
const ANSWERS_WITHIN = 2000;
const HEALS_WITHIN = 5000;

let dir: string;
let postgres: EmbeddedDatabase;
let app: TestApp;
let other: ServerProcess;
let client: Credentials;
let visitor: Visitor;
let loginPage: Page;
let tokens: Record<string, string>;
const opened: EmbeddedDatabase[] = [];

async function startPostgres(): Promise<void> {
  const settings = { fsync: 'off', max_connections: '40' };
  postgres = await openEmbedded({ dir: join(dir, 'postgres'), settings });
  opened.push(postgres);
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plinto-outage-'));
  await chmod(dir, 0o755);
  await startPostgres();
  const database = { url: postgres.url, name: 'plinto', drop: async () => {} };
  const management = String(await freePort());
  const env = { DATABASE_STATEMENT_TIMEOUT: '1', MANAGEMENT_HOST: '127.0.0.1' };
  app = await startApp({ ...env, MANAGEMENT_PORT: management }, database);
  other = await startServerProcess({ ...env, ISSUER: app.issuer, DATABASE_URL: postgres.url });
  await app.createUser();
  client = await app.createClient();
  const signedIn = createVisitor();
  const url = authorizationUrl(app, client.client.id, { scope: 'openid offline_access' });
  const code = String(callbackParams((await signedIn.signIn(url, CALLBACK)).url).code);
  tokens = (await (await redeem(app, client, code)).json()) as Record<string, string>;
  visitor = createVisitor();
  loginPage = await visitor.open(url);
});
afterAll(async () => {
  await other.kill();
  await app.stop();
  await Promise.all(opened.map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
  await rm(postgres.dataDir, { recursive: true, force: true });
});

/** What a person and a client ask, all of which needs the database. */
const REQUESTS: Record<string, (base: string) => Promise<Response>> = {
  'an authorization request': (base) => {
    const url = new URL(authorizationUrl(app, client.client.id));
    return fetch(`${base}${url.pathname}${url.search}`, { redirect: 'manual' });
  },
  'the sign-in page': (base) => visitor.request(`${base}${new URL(loginPage.url).pathname}`),
  'signing in': (base) =>
    visitor.request(`${base}${new URL(loginPage.url).pathname}/login`, {
      method: 'POST',
      headers: { origin: app.issuer },
      body: new URLSearchParams({
        csrf: /name="csrf" value="([^"]+)"/.exec(loginPage.html)?.[1] ?? '',
        identifier: 'ada@example.com',
        password: 'wrong password, if anybody looks',
      }),
    }),
  'redeeming a code': (base) => redeem({ issuer: base }, client, 'any-code'),
  'a refresh': (base) =>
    postAs(`${base}/token`, client, {
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
    }),
  userinfo: (base) => {
    const authorization = `Bearer ${tokens.access_token}`;
    return fetch(`${base}/userinfo`, { headers: { authorization } });
  },
  introspection: (base) =>
    postAs(`${base}/introspect`, client, { token: String(tokens.access_token) }),
  revocation: (base) => postAs(`${base}/revoke`, client, { token: 'any-token' }),
  'a pushed request': (base) =>
    postAs(
      `${base}/par`,
      client,
      Object.fromEntries(new URL(authorizationUrl(app, client.client.id)).searchParams),
    ),
  'a setup link': (base) => fetch(`${base}/setup/any-token`),
};

/** Issuer's own address and the other process's; cookies of the visitor are for the first. */
const bases = () => [app.issuer, other.url];
const managements = () => [`http://127.0.0.1:${app.config.management.port}`, other.management];

async function expectUnavailable(within: number): Promise<void> {
  const all = bases().flatMap((base) =>
    Object.entries(REQUESTS).map(async ([name, send]) => {
      const began = performance.now();
      const response = await send(base);
      const took = performance.now() - began;
      const text = await response.text();
      expect([name, response.status], text).toEqual([name, 503]);
      expect(text).not.toMatch(/invalid_client|invalid_grant|at .*\.(js|ts):/);
      expect(Number(response.headers.get('retry-after')), name).toBeGreaterThan(0);
      expect(took, name).toBeLessThan(within);
    }),
  );
  await Promise.all(all);
}

async function expectAlive(): Promise<void> {
  for (const base of bases()) {
    expect(await statusOf(`${base}/.well-known/openid-configuration`)).toBe(200);
    expect(await statusOf(`${base}/jwks`)).toBe(200);
  }
  for (const base of managements()) {
    expect(await statusOf(`${base}/health/live`)).toBe(200);
    expect(await statusOf(`${base}/health/ready`)).toBe(503);
    expect(await statusOf(`${base}/metrics`)).toBe(200);
  }
}

async function expectHealed(): Promise<void> {
  const began = performance.now();
  for (const base of bases()) {
    await expect
      .poll(async () => (await REQUESTS.userinfo?.(base))?.status, { timeout: HEALS_WITHIN })
      .toBe(200);
  }
  for (const base of managements()) {
    await expect.poll(() => statusOf(`${base}/health/ready`), { timeout: HEALS_WITHIN }).toBe(200);
  }
  expect(performance.now() - began).toBeLessThan(HEALS_WITHIN);
  const page = await visitor.open(loginPage.url);
  expect(page.status).toBe(200);
}

/** Changes are heard of again, and jobs are done again. */
async function expectBackgroundHealed(): Promise<void> {
  const { db } = app.runtime.deps;
  const policy = keyPolicy(app.config, app.runtime.keyring);
  await rotateKeys(db, policy, SYSTEM, { now: true });
  const current = await db('signing_keys').where({ state: 'current', slot: 'ec-sig' }).first();
  for (const base of bases()) {
    await expect
      .poll(async () => JSON.stringify(await (await fetch(`${base}/jwks`)).json()), {
        timeout: HEALS_WITHIN,
      })
      .toContain(current.kid);
  }
  await db.raw(`SELECT graphile_worker.add_job('maintain-keys')`);
  await expect
    .poll(
      async () => (await db.raw('SELECT count(*)::int FROM graphile_worker.jobs')).rows[0].count,
      {
        timeout: 15_000,
      },
    )
    .toBe(0);
}

/** Sends requests all the while; gives the statuses there were once told to stop. */
function load(): () => Promise<Set<number>> {
  let over = false;
  const seen = new Set<number>();
  const running = bases().map(async (base) => {
    while (!over) {
      for (const name of ['userinfo', 'introspection', 'an authorization request']) {
        const response = await REQUESTS[name]?.(base);
        await response?.arrayBuffer();
        seen.add(response?.status ?? 0);
      }
    }
  });
  return async () => {
    over = true;
    await Promise.all(running);
    return seen;
  };
}

describe.each([
  ['is stopped', 'SIGINT'],
  ['crashes', 'SIGQUIT'],
] as const)('while PostgreSQL %s and comes back', (_, signal) => {
  test('security 31: everything says 503 and nothing fails otherwise; it heals by itself', async () => {
    const stopLoad = load();
    const { pid } = (await findPostmaster(postgres.dataDir)) as { pid: number };
    process.kill(pid, signal);
    await expect.poll(() => findPostmaster(postgres.dataDir)).toBeUndefined();

    await expectUnavailable(ANSWERS_WITHIN);
    await expectAlive();
    // Long enough that everything that reconnects by itself has failed to, more than once.
    const losses = () => app.logs.filter((line) => line.includes('hears of changes')).length;
    const before = losses();
    await expect.poll(losses, { timeout: 10_000 }).toBeGreaterThan(before + 2);
    await expectUnavailable(ANSWERS_WITHIN);

    await startPostgres();
    await expectHealed();
    expect([...(await stopLoad())].sort()).toEqual([200, 303, 503]);
    await expectBackgroundHealed();
  });
});

test('security 32: while PostgreSQL has no connection left everything says 503, and works when it has', async () => {
  const holders: pg.Client[] = [];
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  for (;;) {
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'plinto'`);
    const holder = new pg.Client({ connectionString: postgres.url });
    try {
      await holder.connect();
      holders.push(holder);
    } catch (error) {
      expect(error).toMatchObject({ code: '53300' });
      break;
    }
  }
  await expectUnavailable(ANSWERS_WITHIN);
  await Promise.all(holders.map((holder) => holder.end()));
  await admin.end();
  await expectHealed();
});

test('security 32: while statements wait and take up every connection, more requests are turned away in bounded time', async () => {
  const holder = new pg.Client({ connectionString: postgres.url });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE oidc_artifacts');
  const ask = REQUESTS.introspection as (base: string) => Promise<Response>;
  const began = performance.now();
  const flood = Array.from({ length: 60 }, (_, n) => ask(bases()[n % 2] as string));
  const answers = (await Promise.all(flood)).map((response) => [
    response.status,
    response.headers.has('retry-after'),
  ]);
  expect(new Set(answers.map(String))).toEqual(new Set(['503,true']));
  expect(performance.now() - began).toBeLessThan(ANSWERS_WITHIN + HEALS_WITHIN);
  await holder.end();
  await expectHealed();
});

test('security 32: while PostgreSQL answers nothing any more everything says 503 in bounded time, and works when it does', async () => {
  const { rows } = await app.runtime.deps.db.raw(
    `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'`,
  );
  const { pid } = (await findPostmaster(postgres.dataDir)) as { pid: number };
  const pids: number[] = [pid, ...rows.map((row: { pid: number }) => row.pid)];
  for (const one of pids) process.kill(one, 'SIGSTOP');
  try {
    await expectUnavailable(10_000);
    await expectAlive();
  } finally {
    for (const one of pids) process.kill(one, 'SIGCONT');
  }
  await expectHealed();
  await expectBackgroundHealed();
});
