import { randomUUID } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { SYSTEM } from '../../src/audit/events.ts';
import type { ClientWithSecrets } from '../../src/clients/store.ts';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { openPool, transaction } from '../../src/db/pool.ts';
import type { Db } from '../../src/deps.ts';
import { createAdapter } from '../../src/oidc/storage/adapter.ts';
import { createCache } from '../../src/oidc/storage/cache.ts';
import { createClientAdapter } from '../../src/oidc/storage/client-adapter.ts';
import { createRowHandles } from '../../src/oidc/storage/row-handle.ts';
import { createUser } from '../../src/users/create-user.ts';
import { SECRET } from '../support/app.ts';
import { createDatabase } from '../support/db.ts';

/** Seconds for which models are stored. */
export const HOUR = 3600;

/** Models that are one kind of row: whatever is short-lived. */
export const ARTIFACTS = [
  'AccessToken',
  'AuthorizationCode',
  'BackchannelAuthenticationRequest',
  'ClientCredentials',
  'DeviceCode',
  'InitialAccessToken',
  'PushedAuthorizationRequest',
  'RegistrationAccessToken',
];

/** Every model but clients, which have a life of their own. */
export const MODELS = [
  ...ARTIFACTS,
  'Grant',
  'Interaction',
  'RefreshToken',
  'ReplayDetection',
  'Session',
];

export type Storage = {
  db: Db;
  accountId: string;
  adapter: (model: string, refreshReuseLeeway?: number) => Adapter;
  /** Stores one of a model, and gives the bearer value it is found by. */
  store: (model: string, members?: Partial<AdapterPayload>) => Promise<string>;
  newGrant: (owner?: string) => Promise<string>;
  newUser: () => Promise<string>;
  /** Whose refresh tokens were accepted within the leeway. */
  leewayUses: string[];
  close: () => Promise<void>;
};

/** The storage on a database of its own, without a server. */
export async function openStorage(): Promise<Storage> {
  const database = await createDatabase();
  const { url } = database;
  const db = openPool({ url, size: 25, statementTimeout: 10_000, name: 'test' });
  const leewayUses: string[] = [];
  const adapter: Storage['adapter'] = (model, leeway = 0) =>
    adapterOn(db, leeway, leewayUses)(model);
  const newUser = () => insertUser(db);
  const accountId = await newUser();
  const newGrant = async (owner = accountId) => {
    const id = randomUUID();
    await adapter('Grant').upsert(id, payloadOf('Grant', { accountId: owner }), HOUR);
    return id;
  };
  const store: Storage['store'] = async (model, members = {}) => {
    const id = `${model}-${randomUUID()}`;
    const grantId = members.grantId ?? (model === 'RefreshToken' ? await newGrant() : undefined);
    const ids = { accountId, jti: id, uid: randomUUID(), ...(grantId ? { grantId } : {}) };
    await adapter(model).upsert(id, payloadOf(model, { ...ids, ...members }), HOUR);
    return id;
  };
  const close = async () => {
    await db.destroy();
    await database.drop();
  };
  return { db, accountId, adapter, store, newGrant, newUser, leewayUses, close };
}

/** The adapter of each model on a pool. */
export function adapterOn(
  db: Db,
  refreshReuseLeeway = 0,
  leewayUses: string[] = [],
): (model: string) => Adapter {
  const keyring = deriveKeyring([SECRET]);
  const cache = createCache<ClientWithSecrets>({ size: 0, trusted: () => false });
  return createAdapter({
    db,
    handles: createRowHandles(keyring.rowHandles),
    refreshReuseLeeway,
    onLeewayUse: async ({ grantId = '' }) => {
      leewayUses.push(grantId);
    },
    clients: createClientAdapter({ db, cache, secretKeys: keyring.clientSecrets }),
  });
}

/** What the library would store, with every member that has a column. */
export function payloadOf(model: string, members: Partial<AdapterPayload> = {}): AdapterPayload {
  const iat = Math.floor(Date.now() / 1000);
  const common = { kind: model, iat, exp: iat + HOUR, clientId: 'some-client', scope: 'openid' };
  return { ...common, ...members } as AdapterPayload;
}

function insertUser(db: Db): Promise<string> {
  return transaction(db, async (trx) => {
    const username = `u${randomUUID()}`;
    const settings = { emailVerified: false, administrator: false, profile: {} };
    const created = await createUser(trx, SYSTEM, { username, ...settings });
    if (!created.ok) throw new Error(created.reason);
    return created.user.id;
  });
}
