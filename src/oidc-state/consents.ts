import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';

/** What a person agreed to for an app. */
export type Consent = {
  scopes: string[];
  claims: string[];
  /** Scopes by API. */
  resources: Record<string, string[]>;
};

const FIND = {
  name: 'consent-find',
  text: 'SELECT scopes, claims, resources FROM consents WHERE user_id = $1 AND client_id = $2',
};

/** What this person agreed to for this client, if anything. */
export async function findConsent(
  db: Db,
  userId: string,
  clientId: string,
): Promise<Consent | undefined> {
  return (await execute<Consent>(db, FIND, [userId, clientId])).rows[0];
}

/** Adds to what a person agreed to for a client. */
export async function addConsent(
  trx: Trx,
  userId: string,
  clientId: string,
  more: Consent,
): Promise<void> {
  const key = { user_id: userId, client_id: clientId };
  await trx('consents').insert(key).onConflict(['user_id', 'client_id']).ignore();
  const before: Consent = await trx('consents').where(key).forUpdate().first();
  const resources = { ...before.resources };
  for (const [indicator, scopes] of Object.entries(more.resources)) {
    resources[indicator] = union(resources[indicator] ?? [], scopes);
  }
  await trx('consents')
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
  return (await trx('consents').where({ user_id: userId, client_id: clientId }).delete()) > 0;
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
