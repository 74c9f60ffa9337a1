import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';
import type { Payload } from './payload.ts';

// The row of sign_ins is taken first, and says whether the session was ended meanwhile: then nothing
// is stored (end.ts). What the request doesn't tell of the browser stays as it was. Of two requests of
// one session at once, neither takes away what the other keeps of its client.
const UPSERT = {
  name: 'session-upsert',
  text: `WITH seen AS (
      INSERT INTO sign_ins (session_uid, user_id, acr, amr, signed_in_at, ip, user_agent, place)
      SELECT $2, $3::uuid, $6, coalesce($7::jsonb, '[]'), coalesce(to_timestamp($8), now()),
        $9, $10, $11 WHERE $3::uuid IS NOT NULL
      ON CONFLICT (session_uid) DO UPDATE SET user_id = excluded.user_id, acr = excluded.acr,
        amr = excluded.amr, signed_in_at = excluded.signed_in_at, last_seen_at = now(),
        ip = coalesce(excluded.ip, sign_ins.ip),
        user_agent = coalesce(excluded.user_agent, sign_ins.user_agent),
        place = coalesce(excluded.place, sign_ins.place)
        WHERE sign_ins.ended_at IS NULL
      RETURNING session_uid)
    INSERT INTO oidc_sessions (id, uid, account_id, payload, expires_at)
    SELECT $1, $2, $3::uuid, $4, now() + make_interval(secs => $5)
    WHERE $3::uuid IS NULL OR EXISTS (SELECT FROM seen)
    ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, account_id = excluded.account_id,
      payload = CASE WHEN oidc_sessions.account_id = excluded.account_id
        THEN jsonb_set(excluded.payload::jsonb, '{authorizations}',
          coalesce(oidc_sessions.payload::jsonb->'authorizations', '{}')
            || coalesce(excluded.payload::jsonb->'authorizations', '{}'))::json
        ELSE excluded.payload END,
      expires_at = excluded.expires_at`,
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
    ORDER BY s.expires_at DESC, s.id`,
};

const DESTROY = { name: 'session-destroy', text: 'DELETE FROM oidc_sessions WHERE id = $1' };

type Row = { id: Buffer; payload: Payload };

/** What a request tells of the browser that sent it. */
export type Browser = {
  ip?: string | undefined;
  userAgent?: string | undefined;
  place?: string | undefined;
};

/**
 * Stores a session under the hash of its cookie for `expiresIn` seconds, and whose browser it is
 * signed in with.
 *
 * @returns false, and nothing is stored, if the session was ended since it was found.
 */
export async function upsertSession(
  db: Db,
  id: Buffer,
  p: Payload,
  expiresIn: number,
  browser: Browser = {},
): Promise<boolean> {
  const { rowCount } = await execute(db, UPSERT, [
    id,
    p.uid,
    p.accountId,
    JSON.stringify(p),
    expiresIn,
    p.acr,
    p.amr && JSON.stringify(p.amr),
    p.loginTs,
    browser.ip,
    browser.userAgent,
    browser.place,
  ]);
  return rowCount === 1;
}

/** The session with this cookie hash, unless its account is suspended. */
export async function findSession(db: Db, id: Buffer): Promise<Row | undefined> {
  return (await execute<Row>(db, FIND, [id])).rows[0];
}

/** The living session that tokens bound to it name by its uid. */
export async function findSessionByUid(db: Db, uid: string): Promise<Row | undefined> {
  const { rows } = await execute<Row>(db, FIND_BY_UID, [uid]);
  const [newest] = rows;
  if (newest === undefined || rows.length === 1) return newest;
  // Of two sign-ins finished in it at once, each gave it a cookie of its own, and knows of itself only.
  const known = rows.toReversed().map(({ payload }) => payload.authorizations);
  return { ...newest, payload: { ...newest.payload, authorizations: Object.assign({}, ...known) } };
}

/** Ends a session. */
export async function destroySession(db: Db, id: Buffer): Promise<void> {
  await execute(db, DESTROY, [id]);
}

/** Has a session know nothing more of a client, nor of its grants in each organization. */
export async function forgetClient(trx: Trx, uid: string, clientId: string): Promise<void> {
  await trx.raw(
    `UPDATE oidc_sessions SET payload = jsonb_set(payload::jsonb, '{authorizations}', coalesce(
       (SELECT jsonb_object_agg(key, value) FROM jsonb_each(payload::jsonb->'authorizations')
        WHERE split_part(key, E'\n', 1) <> :clientId), '{}'))::json
     WHERE uid = :uid AND jsonb_exists(payload::jsonb, 'authorizations')`,
    { uid, clientId },
  );
}
