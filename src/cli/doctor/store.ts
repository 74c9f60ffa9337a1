import type { Db } from '../../deps.ts';

export type ServerFacts = {
  /** As `SHOW server_version_num` gives it: 180004 for 18.4. */
  version: number;
  /** Milliseconds of the database's clock. */
  clock: number;
};

/** What the database server says of itself. */
export async function findServerFacts(db: Db): Promise<ServerFacts> {
  const { rows } = await db.raw(`SELECT current_setting('server_version_num')::int AS version,
    (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock`);
  return rows[0];
}

export type SecretUse = {
  what: 'signing keys' | 'client secrets' | 'authenticator apps' | 'queued messages';
  key_id: string;
  count: number;
};

/** How many values depend on each key that was derived from the installation's secrets. */
export async function listSecretUses(db: Db): Promise<SecretUse[]> {
  const { rows } = await db.raw(`
    SELECT 'signing keys' AS what, split_part(private_jwk, '.', 2) AS key_id, count(*)::int
      FROM signing_keys GROUP BY 2
    UNION ALL
    SELECT 'client secrets', split_part(hash, '.', 2), count(*)::int
      FROM client_secrets WHERE expires_at IS NULL OR expires_at > now() GROUP BY 2
    UNION ALL
    SELECT 'authenticator apps', split_part(secret, '.', 2), count(*)::int
      FROM totp_credentials GROUP BY 2
    UNION ALL
    SELECT 'queued messages', split_part(payload->>'sealed', '.', 2), count(*)::int
      FROM graphile_worker._private_jobs WHERE payload::jsonb \\? 'sealed' GROUP BY 2`);
  return rows;
}

export type JobFacts = {
  /** Jobs that should have run, and seconds since the first of them should have. */
  overdue: number;
  waiting_for: number;
  /** Jobs that failed as often as they may. */
  dead: number;
  tasks: string | null;
};

/** How the job queue does. */
export async function findJobFacts(db: Db): Promise<JobFacts> {
  const { rows } = await db.raw(`
    SELECT count(*) FILTER (WHERE ready)::int AS overdue,
      coalesce(max(extract(epoch FROM now() - run_at)) FILTER (WHERE ready), 0)::float8 AS waiting_for,
      count(*) FILTER (WHERE attempts >= max_attempts)::int AS dead,
      string_agg(DISTINCT task_identifier, ', ') FILTER (WHERE attempts >= max_attempts) AS tasks
    FROM (SELECT *, run_at < now() AND attempts < max_attempts AND locked_at IS NULL AS ready
      FROM graphile_worker.jobs) AS jobs`);
  return rows[0];
}

/** Messages that were refused for good, and what they were. */
export async function countRefusedMessages(
  db: Db,
  days: number,
): Promise<{ count: number; templates: string | null }> {
  const { rows } = await db.raw(
    `SELECT count(*)::int, string_agg(DISTINCT data->>'template', ', ') AS templates
      FROM audit_events
      WHERE type IN ('mail.refused', 'sms.refused') AND at > now() - ? * interval '1 day'`,
    [days],
  );
  return rows[0];
}

/** How many administrators can sign in, and how many of them have no second factor. */
export async function countAdministrators(db: Db): Promise<{ all: number; without: number }> {
  const { rows } = await db.raw(
    `SELECT count(*)::int AS "all", count(*) FILTER (WHERE factors = '{}')::int AS without
     FROM users WHERE administrator AND status = 'active'`,
  );
  return rows[0];
}
