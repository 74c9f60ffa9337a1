import type { Trx } from '../deps.ts';

export type Limits = { free: number; longest: number; forget: number; ceiling: number };

const DAY = 86_400;

/** Counts a try unless the key is blocked. @returns whether it was counted. */
export async function reserveAttempt(trx: Trx, key: Buffer, limits: Limits): Promise<boolean> {
  const { rowCount } = await trx.raw(
    `INSERT INTO throttles AS t (key, failures, blocked_until) VALUES (:key, 1, now())
     ON CONFLICT (key) DO UPDATE SET
       failures = CASE WHEN t.updated_at < now() - make_interval(secs => :forget)
         THEN 1 ELSE t.failures + 1 END,
       blocked_until = now() + make_interval(secs => CASE
         WHEN t.updated_at < now() - make_interval(secs => :forget) THEN 0
         WHEN t.failures + 1 >= :ceiling THEN :day
         WHEN t.failures + 1 <= :free THEN 0
         ELSE least(:longest, power(2, least(20, t.failures + 1 - :free))) END),
       updated_at = now()
     WHERE t.blocked_until <= now()`,
    { key, ...limits, day: DAY },
  );
  return rowCount === 1;
}

/** Seconds a key is blocked for, at least 1. */
export async function blockedFor(trx: Trx, key: Buffer): Promise<number> {
  const row = await trx('throttles')
    .where({ key })
    .first(trx.raw('ceil(extract(epoch FROM blocked_until - now()))::int AS seconds'));
  return Math.max(1, row?.seconds ?? 1);
}

/** Starts a count from zero. */
export async function forgetFailures(trx: Trx, key: Buffer): Promise<void> {
  await trx('throttles').where({ key }).delete();
}

/** Takes one try back. */
export async function refundFailure(trx: Trx, key: Buffer): Promise<void> {
  await trx('throttles').where({ key }).where('failures', '>', 0).decrement('failures', 1);
}
