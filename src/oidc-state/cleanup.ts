import type { Db } from '../deps.ts';

/** Rows with an end, and how long after it they are still looked at, in seconds. */
const EXPIRING = [
  // Long enough that an app which waits for a device still learns that its code expired.
  { table: 'oidc_artifacts', keep: 300 },
  { table: 'oidc_refresh_tokens', keep: 3600 },
  // Longer than any request takes: one under way may store a token of a grant that just ended.
  { table: 'oidc_grants', keep: 3600 },
  { table: 'oidc_sessions', keep: 0 },
  { table: 'login_attempts', keep: 0 },
  // As long as an invitation is worth explaining, and a form is sent again.
  { table: 'one_time_codes', keep: 86_400 },
  { table: 'totp_enrolments', keep: 0 },
  { table: 'recovery_code_drafts', keep: 0 },
  { table: 'used_challenges', keep: 0 },
  { table: 'factor_recoveries', keep: 0 },
  // As long as the form that forgets one may be sent again.
  { table: 'trusted_devices', keep: 3600 },
  { table: 'invitations', keep: 90 * 86_400 },
  { table: 'invitation_results', keep: 0 },
];

/** Seconds after which a count of failed tries is forgotten. */
const FORGET_FAILURES = 30 * 86_400;

/** Seconds a browser keeps the cookie that it is recognised by. */
const FORGET_DEVICES = 400 * 86_400;

/**
 * Deletes expired rows, a batch a statement, so that no transaction is long and nothing waits.
 *
 * @returns how many rows went.
 */
export async function deleteExpired(db: Db, batch = 1000): Promise<number> {
  let total = 0;
  for (const { table, keep } of EXPIRING) {
    total += await deleteInBatches(db, table, 'expires_at', keep, batch);
  }
  total += await deleteInBatches(db, 'throttles', 'updated_at', FORGET_FAILURES, batch);
  total += await deleteInBatches(db, 'known_devices', 'last_seen_at', FORGET_DEVICES, batch);
  return total + (await deleteSignIns(db, batch));
}

/** Longer than any request takes, in seconds: one under way may ask whether its session was ended. */
const KEEP_ENDED = 3600;

/** Deletes what is known of sessions that are gone. */
async function deleteSignIns(db: Db, batch: number): Promise<number> {
  let total = 0;
  for (;;) {
    const { rowCount } = await db.raw(
      `DELETE FROM sign_ins WHERE session_uid IN (
         SELECT session_uid FROM sign_ins i
         WHERE last_seen_at < now() - make_interval(secs => :keep)
           AND (ended_at IS NULL OR ended_at < now() - make_interval(secs => :keep))
           AND NOT EXISTS (SELECT FROM oidc_sessions s WHERE s.uid = i.session_uid)
         LIMIT :batch FOR UPDATE SKIP LOCKED)`,
      { keep: KEEP_ENDED, batch },
    );
    total += rowCount;
    if (rowCount < batch) return total;
  }
}

async function deleteInBatches(
  db: Db,
  table: string,
  column: string,
  keep: number,
  batch: number,
): Promise<number> {
  let total = 0;
  for (;;) {
    const { rowCount } = await db.raw(
      `DELETE FROM ?? WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM ?? WHERE ?? < now() - make_interval(secs => ?)
         LIMIT ? FOR UPDATE SKIP LOCKED))`,
      [table, table, column, keep, batch],
    );
    total += rowCount;
    if (rowCount < batch) return total;
  }
}
