import type { Db, Trx } from '../../deps.ts';

/** What is known of somebody who waits to get in without their second factors. */
export type FactorRecovery = {
  ready_at: Date;
  /** The wait is over. */
  ready: boolean;
};

/** Days in which a recovery can be finished once the wait is over. */
const DAYS = 7;

const UNDER_WAY = 'cancelled_at IS NULL AND expires_at > now()';

/** The recovery of a person that is under way. */
export async function findRecovery(db: Db, userId: string): Promise<FactorRecovery | undefined> {
  return db('factor_recoveries')
    .where({ user_id: userId })
    .whereRaw(UNDER_WAY)
    .first('ready_at', db.raw('ready_at <= now() AS ready'));
}

/** Whose recovery a link cancels; undefined when there is none, or it is over. */
export async function findRecoveryByToken(
  db: Db,
  tokenHash: Buffer,
): Promise<{ user_id: string; cancelled: boolean } | undefined> {
  return db('factor_recoveries')
    .where({ token_hash: tokenHash })
    .where('expires_at', '>', db.fn.now())
    .first('user_id', db.raw('cancelled_at IS NOT NULL AS cancelled'));
}

/**
 * Begins a recovery that is ready in so many hours.
 *
 * @returns when; undefined where one is under way: of N that race, one gets it.
 */
export async function insertRecovery(
  trx: Trx,
  { userId, tokenHash, hours }: { userId: string; tokenHash: Buffer; hours: number },
): Promise<Date | undefined> {
  const { rows } = await trx.raw(
    `INSERT INTO factor_recoveries AS r (user_id, token_hash, ready_at, expires_at)
     VALUES (:userId, :tokenHash, now() + make_interval(hours => :hours),
       now() + make_interval(hours => :hours, days => :days))
     ON CONFLICT (user_id) DO UPDATE
       SET token_hash = excluded.token_hash, started_at = now(), ready_at = excluded.ready_at,
         expires_at = excluded.expires_at, cancelled_at = NULL
     WHERE r.cancelled_at IS NOT NULL OR r.expires_at <= now()
     RETURNING ready_at`,
    { userId, tokenHash, hours, days: DAYS },
  );
  return rows[0]?.ready_at;
}

/** Calls a recovery off. @returns whether one was under way: of N that race, one gets true. */
export async function cancelRecovery(trx: Trx, userId: string): Promise<boolean> {
  const count = await trx('factor_recoveries')
    .where({ user_id: userId })
    .whereRaw(UNDER_WAY)
    .update({ cancelled_at: trx.fn.now() });
  return count === 1;
}

/** Ends a recovery whose wait is over. @returns whether there was one: of N, one gets true. */
export async function takeRecovery(trx: Trx, userId: string): Promise<boolean> {
  const count = await trx('factor_recoveries')
    .where({ user_id: userId })
    .whereRaw(UNDER_WAY)
    .where('ready_at', '<=', trx.fn.now())
    .delete();
  return count === 1;
}
