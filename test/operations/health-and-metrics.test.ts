import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, freePort, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs, redeem } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';

let app: TestApp;
let management: string;
let client: Credentials;

beforeAll(async () => {
  const port = String(await freePort());
  app = await startApp({
    MANAGEMENT_PORT: port,
    MANAGEMENT_HOST: '127.0.0.1',
    REFRESH_REUSE_LEEWAY: '30',
  });
  management = `http://127.0.0.1:${port}`;
  await app.createUser();
  client = await app.createClient();
});
afterAll(() => app.stop());

const get = (path: string) => fetch(`${management}${path}`);

/** Samples of the exposition format (Prometheus documentation, "Exposition formats"), by series. */
async function scrape(): Promise<Map<string, number>> {
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = new Map<string, number>();
  const declared = new Set<string>();
  for (const line of (await response.text()).split('\n')) {
    const comment = /^# (HELP|TYPE) (\w+) \S/.exec(line);
    if (comment?.[1] === 'TYPE') declared.add(String(comment[2]));
    if (comment !== null || line === '') continue;
    const sample = /^(\w+)((?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})?) (-?[\d.e+-]+|nan|[+-]inf)$/i.exec(
      line,
    );
    expect(sample, line).not.toBeNull();
    const [, name = '', labels = '', value] = sample as RegExpExecArray;
    expect(declared, line).toContain(name.replace(/_(bucket|sum|count)$/, ''));
    samples.set(`${name}${labels}`, Number(value));
  }
  return samples;
}

/** By how much each series grows while `work` runs; series that don't are left out. */
async function growth(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await scrape();
  await work();
  const after = [...(await scrape())].map(([name, value]) => [
    name,
    value - (before.get(name) ?? 0),
  ]);
  return Object.fromEntries(after.filter(([, grown]) => grown !== 0));
}

test('health: live, ready, and nothing else on the management port', async () => {
  expect((await get('/health/live')).status).toBe(200);
  const ready = await get('/health/ready');
  expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
  expect((await get('/health/ready?probe=1')).status).toBe(200);
  for (const path of ['/', '/authorize', '/health', '/.well-known/openid-configuration']) {
    expect((await get(path)).status, path).toBe(404);
  }
  expect((await fetch(`${app.issuer}/metrics`)).status).toBe(404);
  expect((await fetch(`${app.issuer}/health/ready`)).status).toBe(404);
});

test('not ready while the database lacks a migration, live all the same', async () => {
  const { db } = app.runtime.deps;
  const last = await db('schema_migrations').orderBy('id', 'desc').first();
  await db('schema_migrations').where({ id: last.id }).delete();
  const ready = await get('/health/ready');
  expect([ready.status, await ready.json()]).toEqual([503, { status: 'migrations pending' }]);
  expect((await get('/health/live')).status).toBe(200);
  await db('schema_migrations').insert(last);
  expect((await get('/health/ready')).status).toBe(200);
});

test('metrics: the process, the pool, and requests by method, route and status', async () => {
  const samples = await scrape();
  for (const name of [
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_seconds',
    'plinto_db_connections_used',
    'plinto_db_connections_waiting',
  ]) {
    expect([...samples.keys()], name).toContain(name);
  }
  const grown = await growth(async () => {
    await fetch(`${app.issuer}/.well-known/openid-configuration`);
    await fetch(authorizationUrl(app, 'nobody'));
    await createVisitor().open(authorizationUrl(app, client.client.id));
  });
  const count = 'plinto_http_request_duration_seconds_count';
  expect(grown).toMatchObject({
    [`${count}{method="GET",route="/.well-known/openid-configuration",status="200"}`]: 1,
    [`${count}{method="GET",route="/authorize",status="400"}`]: 1,
    [`${count}{method="GET",route="/authorize",status="303"}`]: 1,
    [`${count}{method="GET",route="/interaction/:uid",status="200"}`]: 1,
  });
});

test('metrics: sign-ins, tokens, leeway and reuse, jobs', async () => {
  const visitor = createVisitor();
  const url = authorizationUrl(app, client.client.id, { scope: 'openid offline_access' });
  const refresh = async (value: unknown) => {
    const fields = { grant_type: 'refresh_token', refresh_token: String(value) };
    return (await (await postAs(`${app.issuer}/token`, client, fields)).json()) as object;
  };
  const grown = await growth(async () => {
    const page = await visitor.open(url);
    const wrong = { identifier: 'ada@example.com', password: 'wrong-wrong-wrong-wrong' };
    await visitor.submit(page, '/login', wrong);
    const back = await visitor.signIn(url, CALLBACK);
    const code = String(new URL(back.url).searchParams.get('code'));
    const tokens = (await (await redeem(app, client, code)).json()) as { refresh_token: string };
    await refresh(tokens.refresh_token);
    await refresh(tokens.refresh_token);
    await redeem(app, client, code);
    await app.runtime.deps.db.raw(`SELECT graphile_worker.add_job('maintain-keys')`);
    await expect
      .poll(async () =>
        (await scrape()).get('plinto_jobs_total{task="maintain-keys",outcome="succeeded"}'),
      )
      .toBeGreaterThan(0);
  });
  expect(grown).toMatchObject({
    'plinto_events_total{type="sign_in.failed",reason="wrong_password"}': 1,
    'plinto_events_total{type="sign_in.succeeded",reason=""}': 1,
    'plinto_events_total{type="refresh_token.leeway_used",reason=""}': 1,
    'plinto_events_total{type="grant.reuse_detected",reason=""}': 1,
    'plinto_tokens_issued_total{grant_type="authorization_code"}': 1,
    'plinto_tokens_issued_total{grant_type="refresh_token"}': 2,
    'plinto_jobs_total{task="maintain-keys",outcome="succeeded"}': 1,
  });
});

test('metrics: nobody can add series by asking for things', async () => {
  const ask = async (round: string) => {
    for (const path of [
      `/${round}`,
      `/${round}?x=%00`,
      `/${round}%00`,
      `/token/${round}`,
      `/authorize/${round}`,
      `/register/${round}`,
      `/device/${round}`,
      `/interaction/${round}`,
      `/interaction/${round}/login`,
      `/setup/${round}`,
      `/assets/${round}/style.css`,
      `/assets/0123456789ab/${round}`,
      `/.well-known/${round}`,
      `/userinfo/${round}`,
    ]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        await (await fetch(`${app.issuer}${path}`, { method, redirect: 'manual' })).arrayBuffer();
      }
    }
    await postAs(`${app.issuer}/token`, client, { grant_type: round });
  };
  await ask('first');
  const series = async () => [...(await scrape()).keys()].filter((n) => n.startsWith('plinto_'));
  const before = new Set(await series());
  await ask('second');
  await ask('Third-0123456789abcdefghijklmnopqrstuvwxyz');
  expect((await series()).filter((name) => !before.has(name))).toEqual([]);
});
