import { readdir } from 'node:fs/promises';
import { runMigrations as migrateJobs } from 'graphile-worker';
import type { Knex } from 'knex';
import pg from 'pg';
import type { Db } from '../deps.ts';

/** Arbitrary, but the same in every release: one migrator at a time across all replicas. */
const MIGRATION_LOCK = 7_310_512_001;

const FOLDER = new URL('../../migrations/', import.meta.url);

/** The files of migrations/, each with an `up` only: the way back is another migration. */
const forwardOnly: Knex.MigrationSource<string> = {
  getMigrations: async () => (await readdir(FOLDER)).filter((f) => f.endsWith('.ts')).sort(),
  getMigrationName: (file) => file,
  getMigration: async (file) => ({
    up: (await import(new URL(file, FOLDER).href)).up,
    down: async () => {
      throw new Error('migrations only go forward');
    },
  }),
};

/** How Knex finds the migrations and keeps count of them. */
export const MIGRATIONS: Knex.MigratorConfig = {
  migrationSource: forwardOnly,
  tableName: 'schema_migrations',
};

/**
 * Brings the database up to this release. Replicas that start together wait for the first; one that
 * is killed midway leaves nothing locked, and running again continues.
 *
 * @returns the names of the migrations that this call applied.
 */
export async function migrate(db: Db, url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, application_name: 'plinto migrate' });
  await lock.connect();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await assertVersion(lock);
    // The advisory lock is ours, so a lock row left by a killed migrator is stale.
    if (await hasTable(lock, 'schema_migrations_lock')) {
      await lock.query('UPDATE schema_migrations_lock SET is_locked = 0');
    }
    const [, applied] = (await db.migrate.latest(MIGRATIONS)) as [number, string[]];
    await migrateJobs({ connectionString: url });
    return applied;
  } finally {
    await lock.end();
  }
}

/** Names of the migrations that this release has and the database hasn't. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const [, pending] = (await db.migrate.list(MIGRATIONS)) as [unknown, { file: string }[]];
  return pending.map(({ file }) => file);
}

async function hasTable(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS found', [name]);
  return rows[0].found;
}

async function assertVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query('SHOW server_version_num');
  if (Number(rows[0].server_version_num) < 150_000) {
    throw new Error('PostgreSQL 15 or newer is needed: upgrade the server in DATABASE_URL');
  }
}
