import type { Trx } from '../deps.ts';

export type Limits = { free: number; longest: number; forget: number; ceiling: number };

const DAY = 86_400;

/**
 * Counts a try unless the key is blocked. Reads the clock itself: a transaction's now() is when it
 * began, which can be before the delay that it waited to see was set.
 *
 * @returns whether it was counted.
 */
export async function reserveAttempt(trx: Trx, key: Buffer, limits: Limits): Promise<boolean> {
  const { rowCount } = await trx.raw(
    `INSERT INTO throttles AS t (key, failures, blocked_until) VALUES (:key, 1, clock_timestamp())
     ON CONFLICT (key) DO UPDATE SET
       failures = CASE WHEN t.updated_at < clock_timestamp() - make_interval(secs => :forget)
         THEN 1 ELSE t.failures + 1 END,
       blocked_until = clock_timestamp() + make_interval(secs => CASE
         WHEN t.updated_at < clock_timestamp() - make_interval(secs => :forget) THEN 0
         WHEN t.failures + 1 >= :ceiling THEN :day
         WHEN t.failures + 1 <= :free THEN 0
         ELSE least(:longest, power(2, least(20, t.failures + 1 - :free))) END),
       updated_at = clock_timestamp()
     WHERE t.blocked_until <= clock_timestamp()`,
    { key, ...limits, day: DAY },
  );
  return rowCount === 1;
}

/** Seconds a key is blocked for, at least 1. */
export async function blockedFor(trx: Trx, key: Buffer): Promise<number> {
  const row = await trx('throttles')
    .where({ key })
    .first(trx.raw('ceil(extract(epoch FROM blocked_until - clock_timestamp()))::int AS seconds'));
  return Math.max(1, row?.seconds ?? 1);
}

/** Starts a count from zero. */
export async function forgetFailures(trx: Trx, key: Buffer): Promise<void> {
  await trx('throttles').where({ key }).delete();
}

/** Takes one try back; a delay that others earned stays. */
export async function refundFailure(trx: Trx, key: Buffer): Promise<void> {
  await trx('throttles').where({ key }).where('failures', '>', 0).decrement('failures', 1);
}

/** Takes one try back with the delay it caused: while a key is blocked, nobody else's is counted. */
export async function undoAttempt(trx: Trx, key: Buffer): Promise<void> {
  await trx('throttles')
    .where({ key })
    .where('failures', '>', 0)
    .update({ failures: trx.raw('failures - 1'), blocked_until: trx.fn.now() });
}
