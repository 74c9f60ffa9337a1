import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';

export type ClientKind = 'web' | 'spa' | 'native' | 'machine' | 'dynamic';

/** Client metadata under the names of RFC 7591, OpenID Connect Registration, and our few own. */
export type ClientMetadata = Record<string, unknown> & {
  redirect_uris?: string[];
  post_logout_redirect_uris?: string[];
  grant_types?: string[];
  response_types?: string[];
  token_endpoint_auth_method?: string;
  scope?: string;
};

export type Client = {
  id: string;
  name: string;
  kind: ClientKind;
  first_party: boolean;
  metadata: ClientMetadata;
  /** The one that a machine client belongs to: its tokens name it. */
  organization_id: string | null;
  created_at: Date;
  updated_at: Date;
};

export type ClientSecret = {
  id: string;
  client_id: string;
  hash: string;
  created_at: Date;
  expires_at: Date | null;
};

const FIND_WITH_SECRETS = {
  name: 'client-find',
  text: `SELECT c.id, c.name, c.kind, c.first_party, c.metadata, c.organization_id, c.created_at,
      CASE WHEN o.id IS NOT NULL THEN json_build_object('id', o.id, 'slug', o.slug, 'name', o.name) END
        AS organization,
      coalesce((SELECT json_agg(json_build_object('hash', s.hash, 'expires_at', s.expires_at))
        FROM client_secrets s
        WHERE s.client_id = c.id AND (s.expires_at IS NULL OR s.expires_at > now())), '[]') AS secrets
    FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id
    WHERE c.id = $1 AND o.delete_after IS NULL`,
};

export type ClientWithSecrets = Client & {
  secrets: { hash: string; expires_at: string | null }[];
  /** What `organization_id` names. */
  organization: { id: string; slug: string; name: string } | null;
};

/**
 * A client and its valid secret hashes in one round trip; undefined also for one of an organization
 * that is being deleted.
 */
export async function findClientWithSecrets(
  db: Db,
  id: string,
): Promise<ClientWithSecrets | undefined> {
  return (await execute<ClientWithSecrets>(db, FIND_WITH_SECRETS, [id])).rows[0];
}

/** The client with this id. */
export async function findClient(db: Db, id: string): Promise<Client | undefined> {
  return db('clients').where({ id }).first();
}

/** The names of those of these clients that there are. */
export async function findClientNames(db: Db, ids: string[]): Promise<Map<string, string>> {
  const rows = await db('clients').whereIn('id', ids).select('id', 'name');
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** The client as it is now, held so until the transaction ends. */
export async function lockClient(trx: Trx, id: string): Promise<Client | undefined> {
  return trx('clients').where({ id }).forUpdate().first();
}

/** Clients in order of id, a page after the given one; of an organization if one is named. */
export async function listClients(
  db: Db,
  page: { after?: string | undefined; limit: number; organizationId?: string | undefined },
): Promise<Client[]> {
  const query = db('clients').orderBy('id').limit(page.limit);
  if (page.organizationId !== undefined) query.where({ organization_id: page.organizationId });
  return page.after === undefined ? query : query.where('id', '>', page.after);
}

/** Inserts a client. */
export async function insertClient(
  trx: Trx,
  client: Omit<Client, 'organization_id' | 'created_at' | 'updated_at'> &
    Partial<Pick<Client, 'organization_id'>>,
): Promise<Client> {
  const [row] = await trx('clients')
    .insert({ ...client, metadata: JSON.stringify(client.metadata) })
    .returning('*');
  return row;
}

/** Replaces what may change of a client. */
export async function updateClient(
  trx: Trx,
  id: string,
  change: Pick<Client, 'name' | 'first_party' | 'metadata'>,
): Promise<void> {
  await trx('clients')
    .where({ id })
    .update({
      ...change,
      metadata: JSON.stringify(change.metadata),
      updated_at: trx.fn.now(),
    });
}

/** Deletes a client; a trigger ends its grants and tokens. @returns whether it was there. */
export async function removeClient(trx: Trx, id: string): Promise<boolean> {
  return (await trx('clients').where({ id }).delete()) === 1;
}

/** Secrets of a client that are valid, newest first. */
export async function listClientSecrets(db: Db, clientId: string): Promise<ClientSecret[]> {
  return db('client_secrets')
    .where({ client_id: clientId })
    .where((q) => {
      q.whereNull('expires_at').orWhere('expires_at', '>', db.fn.now());
    })
    .orderBy('created_at', 'desc');
}

/** Adds a secret. */
export async function insertClientSecret(
  trx: Trx,
  secret: Pick<ClientSecret, 'id' | 'client_id' | 'hash'>,
): Promise<void> {
  await trx('client_secrets').insert(secret);
}

/** Deletes secrets except the ones named. */
export async function removeOtherClientSecrets(
  trx: Trx,
  clientId: string,
  keep: readonly string[],
): Promise<void> {
  await trx('client_secrets').where({ client_id: clientId }).whereNotIn('id', keep).delete();
}

/** Lets a secret end after `seconds`. @returns when. */
export async function expireClientSecret(trx: Trx, id: string, seconds: number): Promise<Date> {
  const [row] = await trx('client_secrets')
    .where({ id })
    .update({ expires_at: trx.raw('now() + make_interval(secs => ?)', [seconds]) })
    .returning('expires_at');
  return row.expires_at;
}

/** Stores the same secret hashed with another key. */
export async function updateClientSecretHash(
  trx: Trx,
  clientId: string,
  hashes: { from: string; to: string },
): Promise<void> {
  await trx('client_secrets')
    .where({ client_id: clientId, hash: hashes.from })
    .update({ hash: hashes.to });
}
