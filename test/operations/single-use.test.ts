import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  VERIFIER,
} from '../support/authorization.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { createVisitor } from '../support/visitor.ts';

/** One server in this process and one in a process of its own, on one database. */
type Pair = { app: TestApp; other: ServerProcess; client: Credentials; bases: string[] };
type Answer = { status: number; body: Record<string, string> };

const PARALLEL = 20;

async function startPair(leeway: string): Promise<Pair> {
  const env = { REFRESH_REUSE_LEEWAY: leeway };
  const app = await startApp(env);
  await app.createUser();
  const client = await app.createClient();
  const shared = { ISSUER: app.issuer, DATABASE_URL: app.database.url };
  const other = await startServerProcess({ ...env, ...shared });
  return { app, other, client, bases: [app.issuer, other.url] };
}

async function stopPair({ app, other }: Pair): Promise<void> {
  await other.kill();
  await app.stop();
}

async function newCode({ app, client }: Pair): Promise<string> {
  const scope = 'openid email offline_access';
  const url = authorizationUrl(app, client.client.id, { scope });
  const back = await createVisitor().signIn(url, CALLBACK);
  return String(callbackParams(back.url).code);
}

async function token(pair: Pair, n: number, fields: Record<string, string>): Promise<Answer> {
  const base = pair.bases[n % pair.bases.length];
  const response = await postAs(`${base}/token`, pair.client, fields);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const redeem = (pair: Pair, code: string, n = 0): Promise<Answer> =>
  token(pair, n, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
  });
const refresh = (pair: Pair, refreshToken = '', n = 0): Promise<Answer> =>
  token(pair, n, { grant_type: 'refresh_token', refresh_token: refreshToken });

async function newRefreshToken(pair: Pair): Promise<string> {
  const { body } = await redeem(pair, await newCode(pair));
  return String(body.refresh_token);
}

/** The same request twenty times at once, half of them to each process. */
function atOnce(request: (n: number) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: PARALLEL }, (_, n) => request(n)));
}

/**
 * The same, provably at once: a row all of them need is locked until every one of them waits for
 * it, each on a connection of its own.
 */
async function heldAtOnce(
  pair: Pair,
  table: string,
  value: string,
  request: (n: number) => Promise<Answer>,
): Promise<Answer[]> {
  const holder = new pg.Client({ connectionString: pair.app.database.url });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT 1 FROM ${table} WHERE id = $1 FOR UPDATE`, [hashToken(value)]);
  const answers = atOnce(request);
  await expect
    .poll(async () => {
      const sql = `SELECT count(*)::int FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return (await holder.query(sql)).rows[0].count;
    })
    .toBe(PARALLEL);
  await holder.query('COMMIT');
  await holder.end();
  return answers;
}

function expectOneWinner(answers: Answer[]): Answer {
  const winners = answers.filter(({ status }) => status === 200);
  expect(winners).toHaveLength(1);
  for (const { status, body } of answers.filter((a) => !winners.includes(a))) {
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
  }
  return winners[0] as Answer;
}

/** Access token, refresh token and introspection of either, at both processes. */
async function expectDead(pair: Pair, { body }: Answer): Promise<void> {
  for (const [n, base] of pair.bases.entries()) {
    const headers = { authorization: `Bearer ${body.access_token}` };
    expect((await fetch(`${base}/userinfo`, { headers })).status).toBe(401);
    for (const value of [body.access_token, body.refresh_token]) {
      const asked = await postAs(`${base}/introspect`, pair.client, { token: String(value) });
      expect(await asked.json()).toEqual({ active: false });
    }
    expect(await refresh(pair, body.refresh_token, n)).toMatchObject({ status: 400 });
  }
}

async function grantOf(pair: Pair, value: string): Promise<string> {
  const db = pair.app.runtime.deps.db;
  return (
    await db('oidc_refresh_tokens')
      .where({ id: hashToken(value) })
      .first()
  ).grant_id;
}

async function audited(pair: Pair, type: string, grantId: string) {
  const db = pair.app.runtime.deps.db;
  return db('audit_events').where({ type }).whereRaw(`data->>'grantId' = ?`, [grantId]);
}

describe('security 17: without a leeway', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair('0');
  });
  afterAll(() => stopPair(pair));

  test('of 20 that redeem one code at once, one gets tokens', async () => {
    for (let round = 0; round < 5; round += 1) {
      const code = await newCode(pair);
      expectOneWinner(await atOnce((n) => redeem(pair, code, n)));
    }
  });

  test('of 20 that redeem one code in the same moment one gets tokens, and they work; a later try ends them', async () => {
    const code = await newCode(pair);
    const winner = expectOneWinner(
      await heldAtOnce(pair, 'oidc_artifacts', code, (n) => redeem(pair, code, n)),
    );
    const grantId = await grantOf(pair, String(winner.body.refresh_token));
    expect(await audited(pair, 'grant.reuse_detected', grantId)).toEqual([]);
    const next = await refresh(pair, winner.body.refresh_token, 1);
    expect(next.status).toBe(200);

    expect(await redeem(pair, code, 1)).toMatchObject({ body: { error: 'invalid_grant' } });
    await expectDead(pair, next);
    expect(await audited(pair, 'grant.reuse_detected', grantId)).toEqual([
      expect.objectContaining({ client_id: pair.client.client.id, user_id: expect.any(String) }),
    ]);
  });

  test('of 20 that use one refresh token at once, one gets tokens', async () => {
    for (let round = 0; round < 5; round += 1) {
      const value = await newRefreshToken(pair);
      expectOneWinner(await atOnce((n) => refresh(pair, value, n)));
    }
  });

  test('of 20 that use one refresh token in the same moment one gets tokens, and they work; a later try ends them', async () => {
    const value = await newRefreshToken(pair);
    const grantId = await grantOf(pair, value);
    const winner = expectOneWinner(
      await heldAtOnce(pair, 'oidc_refresh_tokens', value, (n) => refresh(pair, value, n)),
    );
    const next = await refresh(pair, winner.body.refresh_token, 1);
    expect(next.status).toBe(200);

    expect(await refresh(pair, value, 1)).toMatchObject({ body: { error: 'invalid_grant' } });
    await expectDead(pair, next);
    expect(await audited(pair, 'grant.reuse_detected', grantId)).toHaveLength(1);
  });
});

describe('security 17: with a leeway', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair('30');
  });
  afterAll(() => stopPair(pair));

  test('all of 20 that use one refresh token at once stay in one family; a use after the leeway ends it', async () => {
    const value = await newRefreshToken(pair);
    const grantId = await grantOf(pair, value);
    const answers = await atOnce((n) => refresh(pair, value, n));
    expect(answers.map(({ status }) => status)).toEqual(Array(PARALLEL).fill(200));
    const grants = answers.map(({ body }) => grantOf(pair, String(body.refresh_token)));
    expect(new Set(await Promise.all(grants))).toEqual(new Set([grantId]));
    expect(await audited(pair, 'refresh_token.leeway_used', grantId)).toHaveLength(PARALLEL - 1);
    for (const [n, { body }] of answers.slice(0, 4).entries()) {
      expect((await refresh(pair, body.refresh_token, n)).status).toBe(200);
    }

    await pair.app.runtime.deps
      .db('oidc_refresh_tokens')
      .where({ id: hashToken(value) })
      .update({ consumed_at: pair.app.runtime.deps.db.raw(`now() - interval '31 seconds'`) });
    expect(await refresh(pair, value)).toMatchObject({ body: { error: 'invalid_grant' } });
    for (const answer of answers.slice(-3)) await expectDead(pair, answer);
    expect(await audited(pair, 'grant.reuse_detected', grantId)).toHaveLength(1);
  });
});
