import knex, { type Knex } from 'knex';
import type { Logger } from 'pino';
import type { Db, Trx } from '../deps.ts';
import { asUnavailable } from './unavailable.ts';

export type PoolOptions = {
  url: string;
  size: number;
  /** Milliseconds; 0 for none. */
  statementTimeout: number;
  /** Milliseconds a statement waits for a lock; without it as long as the statement may take. */
  lockTimeout?: number;
  name: string;
  log?: Logger;
};

/** Milliseconds a request waits for a connection before it is told to come back (security 32). */
const ACQUIRE_TIMEOUT = 1500;

/** Milliseconds after PostgreSQL should have cancelled a statement, when it is taken for gone. */
const CANCEL_GRACE = 1000;

/** Opens a pool of connections to PostgreSQL. Connects on first use, not here. */
export function openPool(options: PoolOptions): Db {
  const { log, statementTimeout, lockTimeout } = options;
  return knex({
    client: 'pg',
    connection: {
      connectionString: options.url,
      application_name: options.name,
      statement_timeout: statementTimeout,
      ...(lockTimeout === undefined ? {} : { lock_timeout: lockTimeout }),
      ...(statementTimeout > 0 ? { query_timeout: statementTimeout + CANCEL_GRACE } : {}),
      connectionTimeoutMillis: ACQUIRE_TIMEOUT,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    } as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: options.size,
      idleTimeoutMillis: 30_000,
      // A connection whose statement was given up still waits for its answer: nobody else should.
      validate: (connection: { readyForQuery: boolean }) => connection.readyForQuery,
    } as Knex.PoolConfig,
    acquireConnectionTimeout: ACQUIRE_TIMEOUT,
    log: {
      warn: (message: string) => log?.warn({ component: 'db' }, firstLine(message)),
      error: (message: string) => log?.error({ component: 'db' }, firstLine(message)),
    },
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

/**
 * What a write gives, in a savepoint: undefined when it would break a unique constraint, which doesn't
 * end the caller's transaction.
 */
export async function unlessTaken<T>(
  trx: Trx,
  write: (savepoint: Trx) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await trx.transaction(write);
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return undefined;
    throw error;
  }
}

/** The query builder warns with whole stacks; requests log their own errors. */
function firstLine(message: string): string {
  return String(message).split('\n', 1)[0] ?? '';
}
