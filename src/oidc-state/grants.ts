import { execute } from '../db/prepared.ts';
import type { Db } from '../deps.ts';
import type { Payload } from './payload.ts';

// A grant that was ended stays so, also when a request that found it before stores it after.
const UPSERT = {
  name: 'grant-upsert',
  text: `INSERT INTO oidc_grants (id, account_id, client_id, organization_id, payload, expires_at)
    VALUES ($1, $2, $3, $4::uuid, $5, now() + make_interval(secs => $6))
    ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at
      WHERE oidc_grants.expires_at > now()`,
};

// What tokens say of an organization is what is so now: the grant says only which one.
const FIND = {
  name: 'grant-find',
  text: `SELECT g.payload, g.organization_id IS NOT NULL AS bound,
      CASE WHEN g.organization_id IS NOT NULL
        THEN organization_context(g.organization_id, g.account_id) END AS organization
    FROM oidc_grants g LEFT JOIN users u ON u.id = g.account_id
    WHERE g.id = $1 AND g.expires_at > now() AND (g.account_id IS NULL OR u.status = 'active')`,
};

// Ended rather than deleted: of N that redeem one code at once, one is answered with tokens, even if
// another's attempt ends the grant before they are stored. They are worth nothing then.
const DESTROY = {
  name: 'grant-destroy',
  text: 'UPDATE oidc_grants SET expires_at = now() WHERE id = $1 AND expires_at > now()',
};

/**
 * Stores a grant for `expiresIn` seconds, counted by the database's clock.
 *
 * @throws the driver's foreign_key_violation for an organization that the account isn't a member of.
 */
export async function upsertGrant(
  db: Db,
  id: string,
  p: Payload,
  expiresIn: number,
): Promise<void> {
  await execute(db, UPSERT, [
    id,
    p.accountId,
    p.clientId,
    p.organizationId,
    JSON.stringify(p),
    expiresIn,
  ]);
}

type Row = { payload: Payload; bound: boolean; organization: object | null };

/**
 * The grant, with the organization that it is for as it is now (`organization`); unless it ended, its
 * account is suspended or no active member of that organization.
 */
export async function findGrant(db: Db, id: string): Promise<Payload | undefined> {
  const [row] = (await execute<Row>(db, FIND, [id])).rows;
  if (row === undefined || (row.bound && row.organization === null)) return undefined;
  const { payload, organization } = row;
  return organization === null ? payload : { ...payload, organization };
}

/** Ends a grant, and with it every token issued from it, also those that are being issued now. */
export async function destroyGrant(db: Db, id: string): Promise<void> {
  await execute(db, DESTROY, [id]);
}
