import type { Context, Middleware } from 'koa';
import type { AuditEvent } from '../audit/events.ts';
import { type ClientWithSecrets, updateClientSecretHash } from '../clients/store.ts';
import type { Config } from '../config.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import type { TrustedDevices } from '../devices/trusted-devices.ts';
import type { Renderer } from '../http/render.ts';
import type { Payload } from '../oidc-state/payload.ts';
import type { AssignedResource } from '../resources/store.ts';
import { accountName } from '../users/identifiers.ts';
import { findUser } from '../users/store.ts';
import { createInteractions, type Interactions } from './browser/interactions.ts';
import { createProviderPages } from './browser/pages.ts';
import { type BrowserSessions, createBrowserSessions } from './browser/sessions.ts';
import { createHolder, type Holder } from './holder.ts';
import { type KeyPolicy, loadJwks, maintainKeys } from './keys/keys.ts';
import type { AssuranceParts } from './policy/assurance.ts';
import { createProvider } from './provider.ts';
import { createResourceFinder } from './resources.ts';
import { createAdapter, type Reused } from './storage/adapter.ts';
import { createCache } from './storage/cache.ts';
import { createClientAdapter } from './storage/client-adapter.ts';
import { translated } from './storage/database-errors.ts';
import { createRowHandles } from './storage/row-handle.ts';
import { pathInsertion, wellKnown } from './well-known.ts';

export type Oidc = {
  middleware: Middleware;
  wellKnown: Middleware;
  pathInsertion: Middleware;
  interactions: Interactions;
  sessions: BrowserSessions;
  changed: (table: string | undefined) => Promise<void>;
  maintainKeys: () => Promise<void>;
  sendBackchannelLogout: (event: LogoutEvent) => Promise<void>;
};

type LogoutEvent = { clientId: string; sub: string; sid: string | undefined };

export type OidcParts = {
  deps: Deps;
  config: Config;
  keyring: Keyring;
  renderer: Renderer;
  trustedDevices: TrustedDevices;
  hearsChanges: () => boolean;
  record: (event: AuditEvent) => Promise<void>;
  queueBackchannelLogout: (event: LogoutEvent) => Promise<void>;
};

/** Clients and APIs kept in memory by each process. */
const CACHED = 1000;

/** The provider with its storage, keys and pages, ready to be mounted. */
export async function createOidc(parts: OidcParts): Promise<Oidc> {
  const { deps, config, keyring, queueBackchannelLogout, hearsChanges: trusted } = parts;
  const { db } = deps;
  const reports = reportsOf(parts);
  const clients = createCache<ClientWithSecrets>({ size: CACHED, trusted });
  const resources = createCache<AssignedResource>({ size: CACHED, trusted });
  const handles = createRowHandles(keyring.rowHandles);
  const findResource = createResourceFinder(db, resources);
  const adapter = createAdapter({
    db,
    handles,
    refreshReuseLeeway: config.refreshReuseLeeway,
    onLeewayUse: reports.onLeewayUse,
    placeHeader: config.placeHeader,
    clients: createClientAdapter({ db, cache: clients, secretKeys: keyring.clientSecrets }),
  });
  const pages = createProviderPages(parts.renderer, {
    accountName: async (id) => accountName(await findUser(db, id)),
    restartUrl: (ctx, uid) => interactions.restartUrl(ctx, uid),
  });
  const policy = keyPolicy(config, keyring);
  await maintainKeys(db, policy);
  const holder = await createHolder(
    (jwks) =>
      createProvider(
        {
          ...reports,
          deps,
          config,
          keyring,
          adapter,
          findResource,
          pages,
          ...promisesOf(parts),
          queueBackchannelLogout,
        },
        jwks,
      ),
    () => loadJwks(db, keyring.box),
  );
  const interactions = createInteractions({ holder, db, handles, issuer: config.issuer });
  return {
    middleware: holder.middleware,
    wellKnown: wellKnown(holder, config.keys.publishSeconds),
    pathInsertion: pathInsertion(config.basePath),
    interactions,
    sessions: createBrowserSessions(holder, config),
    changed: async (table) => {
      if (table !== 'signing_keys') {
        clients.clear();
        resources.clear();
      }
      if (table === undefined || table === 'signing_keys') await holder.refresh();
    },
    maintainKeys: async () => {
      await maintainKeys(db, policy);
    },
    sendBackchannelLogout: (event) => sendBackchannelLogout(holder, event),
  };
}

/** What the provider holds to of what this installation is. */
function promisesOf({ deps, config, renderer, trustedDevices }: OidcParts): {
  languages: readonly string[];
  assurance: AssuranceParts;
} {
  const isTrustedDevice: AssuranceParts['isTrustedDevice'] = (ctx, userId) =>
    trustedDevices.isTrusted(deps.db, ctx as unknown as Context, userId);
  return { languages: renderer.languages, assurance: { deps, mfa: config.mfa, isTrustedDevice } };
}

async function sendBackchannelLogout(
  holder: Holder,
  { clientId, sub, sid }: LogoutEvent,
): Promise<void> {
  const client = await holder.current().Client.find(clientId);
  // Since it was queued the client may have been deleted, or have no more wish to be told.
  if (client?.backchannelLogoutUri === undefined) return;
  const send = client as unknown as {
    sendBackchannelLogout: (s: string, sid?: string) => Promise<void>;
  };
  await send.sendBackchannelLogout(sub, sid);
}

/** When keys are replaced, and how long replaced ones still verify. */
export function keyPolicy(config: Config, keyring: Keyring): KeyPolicy {
  const rotateAfter = config.keys.rotationDays * 86_400;
  return {
    boxKeys: keyring.box,
    rotateAfter,
    publishFor: config.keys.publishSeconds,
    // Long enough for hints and logout of every session that got a token from the key.
    keepFor: Math.max(config.ttl.session, config.ttl.idToken) + 86_400,
  };
}

/** What the library and its storage come across and somebody should know of, written down. */
function reportsOf({ deps, record }: OidcParts) {
  const write = (event: AuditEvent): Promise<void> => translated(record(event));
  return {
    onLeewayUse: ({ grantId = '', ...token }: Payload) =>
      write({ type: 'refresh_token.leeway_used', ...whose(token), data: { grantId } }),
    onReuse: ({ grantId, ...who }: Reused) =>
      write({ type: 'grant.reuse_detected', ...who, data: { grantId } }),
    onOldSecret: (clientId: string, hashes: { from: string; to: string }) =>
      transaction(deps.db, (trx) => updateClientSecretHash(trx, clientId, hashes)),
  };
}

function whose(token: { accountId?: string; clientId?: string }): {
  userId?: string;
  clientId?: string;
} {
  return {
    ...(token.accountId ? { userId: token.accountId } : {}),
    ...(token.clientId ? { clientId: token.clientId } : {}),
  };
}
