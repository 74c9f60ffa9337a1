import { execute } from '../db/prepared.ts';
import type { Db } from '../deps.ts';
import type { Payload } from './payload.ts';

const UPSERT = {
  name: 'session-upsert',
  text: `INSERT INTO oidc_sessions (id, uid, account_id, payload, expires_at)
    VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
    ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, account_id = excluded.account_id,
      payload = excluded.payload, expires_at = excluded.expires_at`,
};

const FIND = {
  name: 'session-find',
  text: `SELECT s.id, s.payload FROM oidc_sessions s LEFT JOIN users u ON u.id = s.account_id
    WHERE s.id = $1 AND (s.account_id IS NULL OR u.status = 'active')`,
};

const FIND_BY_UID = {
  name: 'session-find-by-uid',
  text: `SELECT s.id, s.payload FROM oidc_sessions s LEFT JOIN users u ON u.id = s.account_id
    WHERE s.uid = $1 AND s.expires_at > now() AND (s.account_id IS NULL OR u.status = 'active')
    ORDER BY s.expires_at DESC LIMIT 1`,
};

const DESTROY = { name: 'session-destroy', text: 'DELETE FROM oidc_sessions WHERE id = $1' };

type Row = { id: Buffer; payload: Payload };

/** Stores a session under the hash of its cookie for `expiresIn` seconds. */
export async function upsertSession(
  db: Db,
  id: Buffer,
  p: Payload,
  expiresIn: number,
): Promise<void> {
  await execute(db, UPSERT, [id, p.uid, p.accountId, JSON.stringify(p), expiresIn]);
}

/** The session with this cookie hash, unless its account is suspended. */
export async function findSession(db: Db, id: Buffer): Promise<Row | undefined> {
  return (await execute<Row>(db, FIND, [id])).rows[0];
}

/** The living session that tokens bound to it name by its uid. */
export async function findSessionByUid(db: Db, uid: string): Promise<Row | undefined> {
  return (await execute<Row>(db, FIND_BY_UID, [uid])).rows[0];
}

/** Ends a session. */
export async function destroySession(db: Db, id: Buffer): Promise<void> {
  await execute(db, DESTROY, [id]);
}
