import type { Adapter, AdapterPayload } from 'oidc-provider';
import { v7 as uuid } from 'uuid';
import { record } from '../../audit/record.ts';
import { hashClientSecret, isHashedSecret } from '../../clients/secret.ts';
import {
  type ClientMetadata,
  type ClientWithSecrets,
  findClientWithSecrets,
  insertClient,
  insertClientSecret,
  lockClient,
  removeClient,
  removeOtherClientSecrets,
  updateClient,
} from '../../clients/store.ts';
import type { DerivedKey } from '../../crypto/keyring.ts';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import { ADMINISTRATORS_ONLY } from '../policy/registration.ts';
import type { Cache } from './cache.ts';

export type ClientAdapterOptions = {
  db: Db;
  cache: Cache<ClientWithSecrets>;
  secretKeys: readonly DerivedKey[];
};

/** Separates the hashes that stand in the library's `client_secret`; no hash contains it. */
const SEPARATOR = '|';

/**
 * Clients for the library. Where it expects a secret it gets the hashes of the valid ones, which its
 * replaced comparison understands; dynamic registration (RFC 7591) stores through `upsert`. Other
 * processes hear of a change from the database; the one that made it doesn't wait for that.
 */
export function createClientAdapter(options: ClientAdapterOptions): Adapter {
  const { db, cache } = options;
  return {
    find: async (id) => {
      if (id.includes('\0')) return undefined;
      const client = await cache.get(id, () => findClientWithSecrets(db, id));
      return client && toMetadata(client);
    },
    upsert: async (id, payload) => {
      await storeRegistered(options, id, payload);
      cache.clear();
    },
    destroy: async (id) => {
      await transaction(db, async (trx) => {
        if (await removeClient(trx, id)) {
          await record(trx, { actor: `client:${id}` }, { type: 'client.deleted', clientId: id });
        }
      });
      cache.clear();
    },
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: async () => undefined,
    revokeByGrantId: async () => undefined,
  };
}

/** A client under the names the library reads. */
export function toMetadata(
  client: Pick<ClientWithSecrets, 'id' | 'name' | 'first_party' | 'metadata' | 'secrets'> &
    Partial<Pick<ClientWithSecrets, 'organization'>>,
): AdapterPayload {
  const now = Date.now();
  const hashes = client.secrets
    .filter((s) => s.expires_at === null || Date.parse(s.expires_at) > now)
    .map((s) => s.hash);
  return {
    ...client.metadata,
    client_id: client.id,
    client_name: client.name,
    first_party: client.first_party,
    ...(client.organization ? { organization: client.organization } : {}),
    ...(hashes.length > 0 ? { client_secret: hashes.join(SEPARATOR) } : {}),
  } as AdapterPayload;
}

/** The hashes that stand in a client's `client_secret`. */
export function secretHashes(clientSecret: string | undefined): string[] {
  return clientSecret?.split(SEPARATOR) ?? [];
}

async function storeRegistered(
  { db, secretKeys }: ClientAdapterOptions,
  id: string,
  payload: AdapterPayload,
): Promise<void> {
  const { client_id: _id, client_name, client_secret, ...described } = payload;
  const { first_party: _fp, organization: _org, ...rest } = described;
  const metadata = rest as ClientMetadata;
  const name = typeof client_name === 'string' && client_name !== '' ? client_name : id;
  const origin = { actor: `client:${id}` };
  await transaction(db, async (trx) => {
    const existing = await lockClient(trx, id);
    if (existing === undefined) {
      await insertClient(trx, { id, name, kind: 'dynamic', first_party: false, metadata });
      const data = { kind: 'dynamic', firstParty: false };
      await record(trx, origin, { type: 'client.created', clientId: id, data });
    } else {
      const kept = { ...metadata, ...setByAdministrators(existing.metadata) };
      await updateClient(trx, id, { name, first_party: existing.first_party, metadata: kept });
      const data = { fields: Object.keys(metadata) };
      await record(trx, origin, { type: 'client.updated', clientId: id, data });
    }
    // An update carries the stored hashes back unless the library made a new secret.
    if (typeof client_secret === 'string' && !isHashedSecret(client_secret)) {
      const secretId = uuid();
      const hash = hashClientSecret(secretKeys, client_secret);
      await removeOtherClientSecrets(trx, id, []);
      await insertClientSecret(trx, { id: secretId, client_id: id, hash });
    }
  });
}

/** What a client that writes its record anew (RFC 7592 §2.2) must not get rid of. */
function setByAdministrators(metadata: ClientMetadata): ClientMetadata {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name]) => ADMINISTRATORS_ONLY.has(name)),
  ) as ClientMetadata;
}
