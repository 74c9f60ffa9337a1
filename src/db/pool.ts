import knex, { type Knex } from 'knex';
import type { Db, Trx } from '../deps.ts';
import { asUnavailable } from './unavailable.ts';

export type PoolOptions = { url: string; size: number; statementTimeout: number; name: string };

/** Milliseconds a request waits for a connection before it is told to come back (security 32). */
const ACQUIRE_TIMEOUT = 1500;

/** Opens a pool of connections to PostgreSQL. Connects on first use, not here. */
export function openPool(options: PoolOptions): Db {
  return knex({
    client: 'pg',
    connection: {
      connectionString: options.url,
      application_name: options.name,
      statement_timeout: options.statementTimeout,
      connectionTimeoutMillis: ACQUIRE_TIMEOUT,
      keepAlive: true,
    } as Knex.PgConnectionConfig,
    pool: { min: 0, max: options.size, idleTimeoutMillis: 30_000 },
    acquireConnectionTimeout: ACQUIRE_TIMEOUT,
  });
}

/**
 * Runs `work` in a transaction: what it returns is committed, what it throws is rolled back.
 * Expected failures are therefore returned, so that a counted attempt and its audit row survive.
 *
 * @throws AppError database_unavailable when PostgreSQL can't be reached.
 */
export async function transaction<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  try {
    return await db.transaction(work);
  } catch (error) {
    throw asUnavailable(error);
  }
}
