import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { SECRET } from '../support/app.ts';
import { administer } from '../support/db.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const KEY_SLOTS = 5;

let name: string;
let url: string;
let db: pg.Client;
let running: ServerProcess[];

beforeEach(async () => {
  name = `test_${randomBytes(6).toString('hex')}`;
  await administer(`CREATE DATABASE ${name}`);
  const address = new URL(inject('postgres'));
  address.pathname = name;
  url = address.href;
  db = new pg.Client({ connectionString: url });
  await db.connect();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.kill()));
  await db.end();
  await administer(`DROP DATABASE ${name} WITH (FORCE)`);
});

async function start(n: number): Promise<void> {
  const env = { DATABASE_URL: url, ISSUER: 'http://localhost:3000' };
  running = await Promise.all(Array.from({ length: n }, () => startServerProcess(env)));
}

const rows = async (sql: string) => (await db.query(sql)).rows;
const files = async () =>
  (await readdir(new URL('../../migrations', import.meta.url))).filter((f) => f.endsWith('.ts'));

/** Every migration applied once, one key of each slot, the same for everybody. */
async function expectComplete(): Promise<void> {
  const applied = (await rows('SELECT name FROM schema_migrations ORDER BY id')).map((r) => r.name);
  expect(applied).toEqual((await files()).sort());
  const keys = (await rows('SELECT kid FROM signing_keys')).map(({ kid }) => kid);
  expect(keys).toHaveLength(KEY_SLOTS);
  for (const server of running) {
    const { keys: published } = (await (await fetch(`${server.url}/jwks`)).json()) as {
      keys: { kid: string }[];
    };
    expect(published.map(({ kid }) => kid).sort()).toEqual(keys.sort());
    expect(server.output()).not.toMatch(/"level":(40|50|60)/);
  }
}

test('security 33: servers that start together on an empty database share its migrations and its keys', async () => {
  await start(3);
  await expectComplete();
});

test('a migrator that is killed midway leaves nothing locked; the next start goes on', async () => {
  // An open transaction has taken the name of a table that a migration creates.
  const blocker = new pg.Client({ connectionString: url });
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('CREATE TABLE resources (id int)');
  const killed = spawn(process.execPath, [MAIN, 'migrate'], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: url,
      ISSUER: 'http://localhost:3000',
      PLINTO_SECRET: SECRET,
    },
    stdio: 'ignore',
  });
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'plinto migrate' AND wait_event_type = 'Lock'`;
  await expect.poll(() => rows(waiting), { timeout: 20_000 }).toHaveLength(1);
  killed.kill('SIGKILL');
  await once(killed, 'close');
  await blocker.query('ROLLBACK');
  await blocker.end();
  // What the migration tool leaves behind when it is killed outside of a transaction.
  await db.query('UPDATE schema_migrations_lock SET is_locked = 1');

  await start(1);
  await expectComplete();
});
