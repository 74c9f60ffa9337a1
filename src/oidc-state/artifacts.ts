import { execute } from '../db/prepared.ts';
import type { Db } from '../deps.ts';
import type { Payload } from './payload.ts';

const UPSERT = {
  name: 'artifact-upsert',
  text: `INSERT INTO oidc_artifacts
      (id, model, grant_id, account_id, client_id, user_code, payload, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
    ON CONFLICT (id) DO UPDATE SET grant_id = excluded.grant_id, account_id = excluded.account_id,
      payload = excluded.payload, expires_at = excluded.expires_at`,
};

const INSERT_ONCE = {
  name: 'artifact-insert-once',
  text: `INSERT INTO oidc_artifacts (id, model, payload, expires_at)
    VALUES ($1, $2, $3, now() + make_interval(secs => $4))
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
      WHERE oidc_artifacts.expires_at < now()`,
};

// What was consumed after the request that asks had begun still looks unused: that request lost a
// race, which consuming decides. Only one that began later presents a used value a second time.
const COLUMNS = `a.id, a.payload, CASE WHEN a.consumed_at <= now() - make_interval(secs => $1)
    THEN extract(epoch FROM a.consumed_at)::bigint::int END AS consumed
  FROM oidc_artifacts a LEFT JOIN users u ON u.id = a.account_id`;

const FIND = {
  name: 'artifact-find',
  text: `SELECT ${COLUMNS}
    WHERE a.id = $2 AND a.model = $3 AND (a.account_id IS NULL OR u.status = 'active')`,
};

const FIND_BY_USER_CODE = {
  name: 'artifact-find-by-user-code',
  text: `SELECT ${COLUMNS}
    WHERE a.user_code = $2 AND (a.account_id IS NULL OR u.status = 'active')`,
};

const CONSUME = {
  name: 'artifact-consume',
  text: `UPDATE oidc_artifacts SET consumed_at = now()
    WHERE id = $1 AND model = $2 AND consumed_at IS NULL`,
};

const DESTROY = {
  name: 'artifact-destroy',
  text: 'DELETE FROM oidc_artifacts WHERE id = $1 AND model = $2',
};

const REVOKE = {
  name: 'artifact-revoke',
  text: 'DELETE FROM oidc_artifacts WHERE grant_id = $1 AND model = $2',
};

type Row = { id: Buffer; payload: Payload; consumed: number | null };

/** Stores a short-lived artifact under its hash; `expiresIn` seconds, or without end. */
export async function upsertArtifact(
  db: Db,
  model: string,
  id: Buffer,
  p: Payload,
  expiresIn: number | undefined,
): Promise<void> {
  const columns = [p.grantId, p.accountId, p.clientId, p.userCode];
  await execute(db, UPSERT, [id, model, ...columns, JSON.stringify(p), expiresIn]);
}

/** Stores an artifact unless it is there: of N that race, one gets true. */
export async function insertArtifactOnce(
  db: Db,
  model: string,
  id: Buffer,
  payload: Payload,
  expiresIn: number,
): Promise<boolean> {
  const values = [id, model, JSON.stringify(payload), expiresIn];
  return (await execute(db, INSERT_ONCE, values)).rowCount === 1;
}

/**
 * The artifact of this model, expired or not, unless its account is suspended.
 *
 * @param elapsed seconds since the request that asks began.
 */
export async function findArtifact(
  db: Db,
  model: string,
  id: Buffer,
  elapsed = 0,
): Promise<Row | undefined> {
  return (await execute<Row>(db, FIND, [elapsed, id, model])).rows[0];
}

/** The device code that goes with a user code (RFC 8628 §6.1), unless its account is suspended. */
export async function findArtifactByUserCode(db: Db, code: string): Promise<Row | undefined> {
  return (await execute<Row>(db, FIND_BY_USER_CODE, [0, code])).rows[0];
}

/** Uses an artifact up: of N that race, across replicas, one gets true. */
export async function consumeArtifact(db: Db, model: string, id: Buffer): Promise<boolean> {
  return (await execute(db, CONSUME, [id, model])).rowCount === 1;
}

/** Deletes one artifact. */
export async function destroyArtifact(db: Db, model: string, id: Buffer): Promise<void> {
  await execute(db, DESTROY, [id, model]);
}

/** Deletes the artifacts of one model that belong to a grant. */
export async function revokeArtifacts(db: Db, model: string, grantId: string): Promise<void> {
  await execute(db, REVOKE, [grantId, model]);
}
