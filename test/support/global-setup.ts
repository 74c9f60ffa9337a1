import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { openPool } from '../../src/db/pool.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: string;
  }
}

/** The database that every test file clones. */
export const TEMPLATE = 'plinto_template';

/** Nothing outlives the run, so nothing is synced, logged for recovery or vacuumed. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  autovacuum: 'off',
  max_connections: '200',
};

/** Memory that holds the databases of a whole run, should some be left behind. */
const ROOMY_BYTES = 4 * 1024 ** 3;

/**
 * A PostgreSQL for the whole run, with a migrated template database: the embedded one, or the server
 * whose superuser TEST_DATABASE_URL names, to try another version.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await openServer(process.env.TEST_DATABASE_URL);
  const admin = openPool({ url: server.url, size: 1, statementTimeout: 30_000, name: 'setup' });
  await admin.raw(`DROP DATABASE IF EXISTS ${TEMPLATE}`);
  await admin.raw(`CREATE DATABASE ${TEMPLATE}`);
  await admin.destroy();
  const url = new URL(server.url);
  url.pathname = TEMPLATE;
  await migrate(url.href);
  project.provide('postgres', server.url);
  return server.close;
}

async function openServer(
  external: string | undefined,
): Promise<{ url: string; close: () => Promise<void> }> {
  if (external !== undefined) return { url: external, close: async () => {} };
  const dir = await mkdtemp(join(await quickFolder(), 'plinto-test-'));
  await chmod(dir, 0o755);
  const server = await openEmbedded({ dir: join(dir, 'postgres'), settings: SETTINGS });
  return {
    url: server.url,
    close: async () => {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
      await rm(server.dataDir, { recursive: true, force: true });
    },
  };
}

/** Where to keep data: in memory if that can be, as making the files of a database takes longest. */
export async function quickFolder(): Promise<string> {
  const shm = await statfs('/dev/shm').catch(() => undefined);
  return shm !== undefined && shm.bsize * shm.bavail >= ROOMY_BYTES ? '/dev/shm' : tmpdir();
}
