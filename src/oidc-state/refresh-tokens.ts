import { execute } from '../db/prepared.ts';
import type { Db } from '../deps.ts';
import type { Payload } from './payload.ts';

const UPSERT = {
  name: 'refresh-token-upsert',
  text: `INSERT INTO oidc_refresh_tokens (id, grant_id, account_id, client_id, payload, expires_at)
    VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
    ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`,
};

// A token consumed less than the leeway ago still looks unused, so that the library goes on to
// consume it, where the leeway is decided (oidc.md, refresh tokens). So does one consumed after the
// request that asks had begun, as in artifacts.ts.
const FIND = {
  name: 'refresh-token-find',
  text: `SELECT t.payload, CASE WHEN t.consumed_at <= now() - make_interval(secs => $2)
        THEN extract(epoch FROM t.consumed_at)::bigint::int END AS consumed
    FROM oidc_refresh_tokens t LEFT JOIN users u ON u.id = t.account_id
    WHERE t.id = $1 AND (t.account_id IS NULL OR u.status = 'active')`,
};

// The row is locked before it is looked at. In an UPDATE alone, one that waits for another compares
// the other's consumed_at with its own, earlier now(), and a leeway of 0 lets both through.
const CONSUME = {
  name: 'refresh-token-consume',
  text: `WITH found AS (SELECT id, consumed_at FROM oidc_refresh_tokens WHERE id = $1 FOR UPDATE)
    UPDATE oidc_refresh_tokens t SET consumed_at = coalesce(found.consumed_at, now())
    FROM found WHERE t.id = found.id AND (found.consumed_at IS NULL
      OR ($2 > 0 AND found.consumed_at > now() - make_interval(secs => $2)))
    RETURNING found.consumed_at IS NOT NULL AS again`,
};

const DESTROY = {
  name: 'refresh-token-destroy',
  text: 'DELETE FROM oidc_refresh_tokens WHERE id = $1',
};
const REVOKE = {
  name: 'refresh-token-revoke',
  text: 'DELETE FROM oidc_refresh_tokens WHERE grant_id = $1',
};

/** Stores a refresh token under its hash for `expiresIn` seconds. */
export async function upsertRefreshToken(
  db: Db,
  id: Buffer,
  p: Payload,
  expiresIn: number,
): Promise<void> {
  const values = [id, p.grantId, p.accountId, p.clientId, JSON.stringify(p), expiresIn];
  await execute(db, UPSERT, values);
}

/**
 * The refresh token, unless its account is suspended.
 *
 * @param unusedFor seconds after rotation during which it still looks unused.
 */
export async function findRefreshToken(
  db: Db,
  id: Buffer,
  unusedFor: number,
): Promise<{ payload: Payload; consumed: number | null } | undefined> {
  return (await execute<{ payload: Payload; consumed: number | null }>(db, FIND, [id, unusedFor]))
    .rows[0];
}

/**
 * Uses a refresh token up. Of N that race, across replicas, one gets 'first'; within the leeway the
 * others get 'again', after it 'refused'.
 */
export async function consumeRefreshToken(
  db: Db,
  id: Buffer,
  leeway: number,
): Promise<'first' | 'again' | 'refused'> {
  const { rows } = await execute<{ again: boolean }>(db, CONSUME, [id, leeway]);
  if (rows[0] === undefined) return 'refused';
  return rows[0].again ? 'again' : 'first';
}

/** Deletes one refresh token. */
export async function destroyRefreshToken(db: Db, id: Buffer): Promise<void> {
  await execute(db, DESTROY, [id]);
}

/** Deletes the refresh tokens of a grant. */
export async function revokeRefreshTokens(db: Db, grantId: string): Promise<void> {
  await execute(db, REVOKE, [grantId]);
}
