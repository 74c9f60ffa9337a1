import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { addJob } from '../../src/jobs/store.ts';
import { deleteExpired } from '../../src/oidc-state/cleanup.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { receiveLogouts } from '../support/relying-party.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;

/** Rows of every table that has an end: some that ended long ago, some that haven't. */
async function seed(expired: number, alive: number): Promise<void> {
  const rows = (count: number, when: string) =>
    Array.from({ length: count }, () => ({ id: randomBytes(32), expires_at: db().raw(when) }));
  const all = [
    ...rows(expired, "now() - interval '2 days'"),
    ...rows(alive, "now() + interval '1 day'"),
  ];
  const fill = (table: string, more: (row: { id: Buffer }) => object) =>
    db().batchInsert(
      table,
      all.map((row) => ({ ...row, ...more(row) })),
      1000,
    );
  await fill('oidc_artifacts', () => ({ model: 'AccessToken', payload: '{}' }));
  await fill('oidc_sessions', ({ id }) => ({ uid: id.toString('hex'), payload: '{}' }));
  await fill('oidc_grants', ({ id }) => ({
    id: id.toString('hex'),
    client_id: 'c',
    payload: '{}',
  }));
  await fill('login_attempts', () => ({}));
}

async function counts(): Promise<Record<string, number>> {
  const tables = ['oidc_artifacts', 'oidc_sessions', 'oidc_grants', 'login_attempts'];
  const entries = await Promise.all(
    tables.map(
      async (table) => [table, Number((await db()(table).count().first())?.count)] as const,
    ),
  );
  return Object.fromEntries(entries);
}

async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what expired', () => {
  test('is deleted in batches, and nothing else', async () => {
    const before = await counts();
    await seed(2500, 30);
    expect(await deleteExpired(db(), 1000)).toBeGreaterThanOrEqual(4 * 2500);
    const after = await counts();
    for (const [table, count] of Object.entries(before))
      expect(after[table], table).toBe(count + 30);
    expect(await deleteExpired(db(), 1000)).toBe(0);
  });

  test('is deleted once, by whichever of several processes comes first', async () => {
    await seed(1500, 0);
    const totals = await Promise.all([1, 2, 3].map(() => deleteExpired(db(), 200)));
    expect(totals.reduce((sum, n) => sum + n, 0)).toBe(4 * 1500);
  });

  test('is found by an index, however much there is', async () => {
    await seed(0, 3000);
    await db().raw('ANALYZE');
    for (const table of [
      'oidc_artifacts',
      'oidc_refresh_tokens',
      'oidc_grants',
      'oidc_sessions',
      'login_attempts',
      'one_time_codes',
    ]) {
      const { rows } = await transaction(db(), async (trx) => {
        // Small tables are read whole, and rightly; what counts is that there is another way.
        await trx.raw('SET LOCAL enable_seqscan = off');
        return trx.raw(
          `EXPLAIN SELECT ctid FROM ${table} WHERE expires_at < now() - interval '1 day' LIMIT 1000`,
        );
      });
      const plan = rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
      expect(plan, table).toContain('_expiry');
    }
  });
});

describe('a queued job', () => {
  test('runs if and only if the change it belongs to is committed', async () => {
    const receiver = await receiveLogouts();
    const { client } = await app.createClient({
      metadata: { backchannel_logout_uri: receiver.url, backchannel_logout_session_required: true },
    });
    const event = (sid: string) => ({ clientId: client.id, sub: 'somebody', sid });
    await transaction(db(), async (trx) => {
      await addJob(trx, 'backchannel-logout', event('rolled-back'));
      throw new Error('and then it failed');
    }).catch(() => {});
    await transaction(db(), (trx) => addJob(trx, 'backchannel-logout', event('committed')));
    await until(() => receiver.tokens.length > 0);
    const sids = receiver.tokens.map((token) => {
      const [, payload = ''] = token.split('.');
      return JSON.parse(Buffer.from(payload, 'base64url').toString()).sid;
    });
    expect(sids).toEqual(['committed']);
    await receiver.close();
  });

  test('runs once, over several processes', async () => {
    const replica = await app.startReplica();
    const receiver = await receiveLogouts();
    const { client } = await app.createClient({
      metadata: { backchannel_logout_uri: receiver.url, backchannel_logout_session_required: true },
    });
    await transaction(db(), async (trx) => {
      for (let i = 0; i < 20; i += 1) {
        await addJob(trx, 'backchannel-logout', {
          clientId: client.id,
          sub: 'somebody',
          sid: `s${i}`,
        });
      }
    });
    const pending = async () => Number((await db()('graphile_worker.jobs').count().first())?.count);
    await until(async () => receiver.tokens.length >= 20 && (await pending()) === 0);
    expect(receiver.tokens).toHaveLength(20);
    await replica.stop();
    await receiver.close();
  });

  test('that fails stays queued, and is tried again later', async () => {
    const receiver = await receiveLogouts(() => 500);
    const { client } = await app.createClient({
      metadata: { backchannel_logout_uri: receiver.url, backchannel_logout_session_required: true },
    });
    const event = { clientId: client.id, sub: 'somebody', sid: 's' };
    await transaction(db(), (trx) => addJob(trx, 'backchannel-logout', event));
    const job = () =>
      db()('graphile_worker.jobs').first(
        'attempts',
        'max_attempts',
        'last_error',
        'run_at',
        'locked_at',
      );
    await until(
      async () => Number((await job())?.attempts) === 1 && (await job())?.locked_at === null,
    );
    const waiting = await job();
    expect(waiting.max_attempts).toBeGreaterThan(10);
    expect(waiting.run_at.getTime()).toBeGreaterThan(Date.now());
    expect(waiting.last_error).toContain('500');
    await receiver.close();
  });
});
