import pino from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openPool, transaction } from '../../src/db/pool.ts';
import type { Db } from '../../src/deps.ts';
import { addJob } from '../../src/jobs/store.ts';
import { type JobPayloads, SCHEDULE, type Tasks } from '../../src/jobs/tasks.ts';
import { startWorker, type Worker } from '../../src/jobs/worker.ts';
import { administer, createDatabase, type TestDatabase } from '../support/db.ts';

type Payload = JobPayloads['backchannel-logout'];

/** Milliseconds; the queue looks for due jobs every five seconds at least. */
const SOON = { timeout: 15_000 };

let database: TestDatabase;
let db: Db;
let workers: Worker[];
let outcomes: string[];
let done: Payload[];
let started: string[];
/** What a job does, for the test at hand. */
let work: (payload: Payload) => Promise<void>;

beforeAll(async () => {
  database = await createDatabase();
  db = openPool({ url: database.url, size: 5, statementTimeout: 10_000, name: 'test' });
  workers = [newWorker(), newWorker()];
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await db.destroy();
  await database.drop();
});
beforeEach(() => {
  outcomes = [];
  done = [];
  started = [];
  work = async (payload) => {
    done.push(payload);
  };
});

/** The worker of one replica. */
function newWorker(): Worker {
  const nothing = async () => {};
  const tasks: Tasks = {
    'delete-expired': nothing,
    'maintain-keys': nothing,
    'send-mail': async () => {
      started.push('send-mail');
    },
    'send-sms': nothing,
    'delete-users': nothing,
    'delete-organizations': nothing,
    'recheck-domains': nothing,
    'backchannel-logout': (payload) => {
      started.push('backchannel-logout');
      return work(payload);
    },
  };
  const onOutcome = (task: string, outcome: string) => outcomes.push(`${task} ${outcome}`);
  return startWorker({ url: database.url, log: pino({ level: 'silent' }), tasks, onOutcome });
}

const payloadOf = (sub: string): Payload => ({ clientId: 'client', sub, sid: undefined });
const queue = (sub: string) =>
  transaction(db, (trx) => addJob(trx, 'backchannel-logout', payloadOf(sub)));
const queued = async () => (await db.raw('SELECT * FROM graphile_worker.jobs')).rows;
/** What waits to be tried again is due now, and the queue is told. */
const makeDue = () =>
  db.raw(`WITH due AS (UPDATE graphile_worker._private_jobs SET run_at = now() RETURNING id)
    SELECT pg_notify('jobs:insert', '{"count":1}') FROM due`);
const subs = () => done.map(({ sub }) => sub);

test('a failing job is tried again, later each time, until it is done', async () => {
  let tries = 0;
  work = async (payload) => {
    tries += 1;
    if (tries <= 3) throw new Error(`failure ${tries}`);
    done.push(payload);
  };
  await queue('stubborn');
  const waits: number[] = [];
  for (let failures = 1; failures <= 3; failures += 1) {
    await expect
      .poll(async () => (await queued())[0]?.last_error, SOON)
      .toContain(`failure ${failures}`);
    const sql = `SELECT extract(epoch FROM run_at - now())::float8 AS wait FROM graphile_worker.jobs`;
    waits.push((await db.raw(sql)).rows[0].wait);
    await makeDue();
  }
  await expect.poll(subs, SOON).toEqual(['stubborn']);
  expect(waits[0]).toBeGreaterThan(0);
  expect([...waits].sort((a, b) => a - b)).toEqual(waits);
  expect(outcomes).toEqual([
    ...Array(3).fill('backchannel-logout failed'),
    'backchannel-logout succeeded',
  ]);
}, 60_000);

test('a job that failed for the last time is given up, and counted as such', async () => {
  work = async () => {
    throw new Error('never');
  };
  await queue('hopeless');
  await expect.poll(() => outcomes, SOON).toEqual(['backchannel-logout failed']);
  await db.raw('UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1');
  await makeDue();
  await expect.poll(() => outcomes.at(-1), SOON).toBe('backchannel-logout dead');
  const [job] = await queued();
  expect([job.attempts, job.max_attempts]).toEqual([16, 16]);
  await db.raw(`SELECT graphile_worker.complete_jobs(ARRAY[?::bigint])`, [job.id]);
});

test('a database that is lost as a job ends stops nothing for good', async () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown) => rejections.push(reason);
  process.on('unhandledRejection', note);
  const allow = (allowed: boolean) =>
    administer(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS ${allowed}`);
  work = async (payload) => {
    await allow(false);
    await administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = '${database.name}' AND application_name = 'plinto jobs'`);
    done.push(payload);
  };
  await queue('cut off');
  await expect.poll(subs, SOON).toEqual(['cut off']);
  await expect.poll(() => outcomes, SOON).toEqual(['backchannel-logout succeeded']);
  work = async (payload) => {
    done.push(payload);
  };
  await queue('later');
  await allow(true);
  await expect.poll(subs, { timeout: 40_000 }).toContain('later');
  process.off('unhandledRejection', note);
  expect(rejections).toEqual([]);
  // What couldn't be marked as done is done once more when it is held to be abandoned.
  await db.raw('DELETE FROM graphile_worker._private_jobs');
}, 60_000);

test('what runs by itself is known to the queue, once for all replicas', async () => {
  const scheduled = SCHEDULE.split('\n')
    .map((line) => line.split(' ')[5])
    .sort();
  expect(scheduled).toContain('maintain-keys');
  const sql = 'SELECT identifier FROM graphile_worker._private_known_crontabs ORDER BY 1';
  await expect
    .poll(async () => (await db.raw(sql)).rows.map((row: { identifier: string }) => row.identifier))
    .toEqual(scheduled);
});

test('stopping waits for the job under way; stopping at once after the start ends too', async () => {
  let finish = () => {};
  let began = false;
  work = async (payload) => {
    began = true;
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    done.push(payload);
  };
  await queue('slow');
  await expect.poll(() => began, SOON).toBe(true);
  const stopped = Promise.all(workers.map((worker) => worker.stop()));
  finish();
  await stopped;
  workers = [];
  expect(subs()).toEqual(['slow']);
  expect(await queued()).toEqual([]);

  await newWorker().stop();
});

test('jobs of a process that was killed are done by another one after two minutes', async () => {
  await queue('abandoned');
  await queue('under way');
  await db.raw(`UPDATE graphile_worker._private_jobs SET attempts = 1, locked_by = 'pool-killed',
    locked_at = now() - CASE payload->>'sub' WHEN 'abandoned' THEN interval '3 minutes'
      ELSE interval '1 minute' END`);
  const worker = newWorker();
  await expect.poll(subs, SOON).toEqual(['abandoned']);
  await expect.poll(async () => (await queued()).length, SOON).toBe(1);
  const [job] = await queued();
  expect(job).toMatchObject({ locked_by: 'pool-killed', attempts: 1 });
  await worker.stop();
});

test('the end of a session does not wait behind mails', async () => {
  await db.raw(
    `SELECT graphile_worker.complete_jobs((SELECT array_agg(id) FROM graphile_worker.jobs))`,
  );
  await transaction(db, async (trx) => {
    for (let i = 0; i < 20; i += 1) await addJob(trx, 'send-mail', { sealed: String(i) });
    await addJob(trx, 'backchannel-logout', payloadOf('signed-out'));
  });
  const worker = newWorker();
  await expect.poll(() => started.length, SOON).toBe(21);
  expect(started.indexOf('backchannel-logout')).toBeLessThan(10);
  await worker.stop();
});
