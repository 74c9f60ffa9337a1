import type { Knex } from 'knex';
import type { Logger } from 'pino';

/** A connection pool or a transaction: enough to read. */
export type Db = Knex;

/** An open transaction: what every write takes, so that a write outside one does not compile. */
export type Trx = Knex.Transaction;

/**
 * What a slice may reach for besides its arguments. Time, randomness and the network are here so
 * that nothing reads them from the process.
 */
export type Deps = {
  db: Db;
  now: () => Date;
  randomBytes: (size: number) => Buffer;
  /** Requests to addresses that someone else supplied: refuses private addresses (security 28). */
  fetch: typeof globalThis.fetch;
  /**
   * The TXT records of a name, each in the chunks it was sent in.
   * @throws an error whose `code` is ENOTFOUND or ENODATA when there are none, another when nobody knows.
   */
  resolveTxt: (name: string) => Promise<string[][]>;
  log: Logger;
};
