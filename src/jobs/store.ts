import type pg from 'pg';
import type { Trx } from '../deps.ts';
import type { JobName, JobPayloads } from './tasks.ts';

/** Tries of a job before it is given up; with the queue's back-off about three days. */
const MAX_ATTEMPTS = 16;

/** Lowest goes first: a mail server that hangs must not hold up the end of sessions. */
const PRIORITY: Partial<Record<JobName, number>> = { 'send-mail': 10, 'send-sms': 10 };

/** Queues a job in the transaction of the change it belongs to: it runs if and only if that commits. */
export async function addJob<N extends JobName>(
  trx: Trx,
  name: N,
  payload: JobPayloads[N],
): Promise<void> {
  await trx.raw(
    `SELECT graphile_worker.add_job(identifier => ?, payload => ?::json, max_attempts => ?,
      priority => ?)`,
    [name, JSON.stringify(payload), MAX_ATTEMPTS, PRIORITY[name] ?? 0],
  );
}

/**
 * Gives back the jobs of processes that were killed, which the queue itself does after four hours
 * only: too late for a mail with a code. By hand, because the queue's own function takes all jobs of a
 * process, those just begun as well.
 *
 * @param seconds how long a job may take; one that takes longer runs twice.
 */
export async function releaseAbandonedJobs(pool: pg.Pool, seconds: number): Promise<void> {
  await pool.query(
    `UPDATE graphile_worker._private_jobs SET locked_at = NULL, locked_by = NULL
      WHERE locked_at < now() - $1 * interval '1 second'`,
    [seconds],
  );
}
