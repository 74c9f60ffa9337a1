import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Logger as JobsLogger, runMigrations as migrateJobs } from 'graphile-worker';
import type { Knex } from 'knex';
import pg from 'pg';
import type { Db } from '../deps.ts';
import { openPool } from './pool.ts';

/** Arbitrary, but the same in every release: one migrator at a time across all replicas. */
const MIGRATION_LOCK = 7_310_512_001;

/**
 * Milliseconds a migration waits for a table that is in use. Whoever comes after it waits too, so
 * it gives up before people notice; the next start tries again.
 */
const LOCK_TIMEOUT = 5000;

/** Milliseconds between two tries to become the migrator. */
const LOCK_POLL = 100;

const FOLDER = new URL('../../migrations/', import.meta.url);

/** The files of migrations/, each with an `up` only: the way back is another migration. */
const forwardOnly: Knex.MigrationSource<string> = {
  getMigrations: readMigrationNames,
  getMigrationName: (file) => file,
  getMigration: async (file) => ({
    up: (await import(new URL(file, FOLDER).href)).up,
    down: async () => {
      throw new Error('migrations only go forward');
    },
  }),
};

/** How Knex finds the migrations and keeps count of them. */
export const MIGRATIONS = {
  migrationSource: forwardOnly,
  tableName: 'schema_migrations',
} satisfies Knex.MigratorConfig;

async function readMigrationNames(): Promise<string[]> {
  return (await readdir(FOLDER)).filter((file) => file.endsWith('.ts')).sort();
}

/**
 * Brings the database up to this release. Replicas that start together wait for the first; one that
 * is killed midway leaves nothing locked, and running again continues.
 *
 * @returns the names of the migrations that this call applied.
 */
export async function migrate(url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, application_name: 'plinto migrate' });
  await lock.connect();
  // Losing this connection shows in the next statement; without a listener it would end the process.
  lock.on('error', () => {});
  const db = openPool({
    url,
    size: 1,
    statementTimeout: 0,
    lockTimeout: LOCK_TIMEOUT,
    name: 'plinto migrate',
  });
  try {
    await assertVersion(lock);
    await becomeMigrator(lock);
    // The advisory lock is ours, so a lock row left by a killed migrator is stale.
    if (await db.schema.hasTable('schema_migrations_lock')) {
      await db('schema_migrations_lock').update({ is_locked: 0 });
    }
    const [, applied] = (await db.migrate.latest(MIGRATIONS)) as [number, string[]];
    await migrateJobs({ connectionString: url, logger: new JobsLogger(() => () => {}) });
    return applied;
  } finally {
    await db.destroy();
    await lock.end();
  }
}

/** Names of the migrations that this release has and the database hasn't. Changes nothing. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const all = await readMigrationNames();
  if (!(await db.schema.hasTable(MIGRATIONS.tableName))) return all;
  const applied = new Set(await db(MIGRATIONS.tableName).pluck('name'));
  return all.filter((name) => !applied.has(name));
}

/** Waits until this connection is the migrator, and stays it as long as it is open. */
async function becomeMigrator(client: pg.Client): Promise<void> {
  // In a transaction, so that a pooler which lends connections by transaction keeps it ours.
  await client.query('BEGIN');
  await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
  for (;;) {
    // Asked again and again: a statement that waits would hold up CREATE INDEX CONCURRENTLY.
    const sql = 'SELECT pg_try_advisory_xact_lock($1) AS ours';
    const { rows } = await client.query(sql, [MIGRATION_LOCK]);
    if (rows[0].ours) return;
    await delay(LOCK_POLL);
  }
}

async function assertVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query('SHOW server_version_num');
  if (Number(rows[0].server_version_num) < 150_000) {
    throw new Error('PostgreSQL 15 or newer is needed: upgrade the server in DATABASE_URL');
  }
}
