import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';

/** What a person agreed to for an app. */
export type Consent = {
  scopes: string[];
  claims: string[];
  /** Scopes by API. */
  resources: Record<string, string[]>;
};

/** Who agreed for which client: in an organization, or outside of any. One says nothing of another. */
export type ConsentKey = { userId: string; clientId: string; organizationId: string | undefined };

const FIND = {
  name: 'consent-find',
  text: 'SELECT scopes, claims, resources FROM consents WHERE user_id = $1 AND client_id = $2',
};

const FIND_IN_ORGANIZATION = {
  name: 'consent-find-in-organization',
  text: `SELECT scopes, claims, resources FROM organization_consents
    WHERE user_id = $1 AND client_id = $2 AND organization_id = $3`,
};

/** What this person agreed to for this client, if anything. */
export async function findConsent(
  db: Db,
  { userId, clientId, organizationId }: ConsentKey,
): Promise<Consent | undefined> {
  const values = [userId, clientId];
  const { rows } =
    organizationId === undefined
      ? await execute<Consent>(db, FIND, values)
      : await execute<Consent>(db, FIND_IN_ORGANIZATION, [...values, organizationId]);
  return rows[0];
}

/**
 * Adds to what a person agreed to for a client.
 *
 * @throws the driver's foreign_key_violation for an organization that they aren't a member of.
 */
export async function addConsent(
  trx: Trx,
  { userId, clientId, organizationId }: ConsentKey,
  more: Consent,
): Promise<void> {
  const table = organizationId === undefined ? 'consents' : 'organization_consents';
  const key = {
    user_id: userId,
    client_id: clientId,
    ...(organizationId === undefined ? {} : { organization_id: organizationId }),
  };
  await trx(table).insert(key).onConflict(Object.keys(key)).ignore();
  const before: Consent = await trx(table).where(key).forUpdate().first();
  const resources = { ...before.resources };
  for (const [indicator, scopes] of Object.entries(more.resources)) {
    resources[indicator] = union(resources[indicator] ?? [], scopes);
  }
  await trx(table)
    .where(key)
    .update({
      scopes: union(before.scopes, more.scopes),
      claims: union(before.claims, more.claims),
      resources: JSON.stringify(resources),
      updated_at: trx.fn.now(),
    });
}

/** Forgets what a person agreed to for a client. @returns whether there was anything. */
export async function removeConsent(trx: Trx, userId: string, clientId: string): Promise<boolean> {
  const key = { user_id: userId, client_id: clientId };
  const inOrganizations = await trx('organization_consents').where(key).delete();
  return (await trx('consents').where(key).delete()) + inOrganizations > 0;
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
