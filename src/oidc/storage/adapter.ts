import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { openWith, sealWith } from '../../crypto/secret-box.ts';
import type { Db } from '../../deps.ts';
import {
  consumeArtifact,
  destroyArtifact,
  findArtifact,
  findArtifactByUserCode,
  insertArtifactOnce,
  revokeArtifacts,
  upsertArtifact,
} from '../../oidc-state/artifacts.ts';
import { destroyGrant, findGrant, upsertGrant } from '../../oidc-state/grants.ts';
import type { Payload } from '../../oidc-state/payload.ts';
import {
  consumeRefreshToken,
  destroyRefreshToken,
  findRefreshToken,
  revokeRefreshTokens,
  upsertRefreshToken,
} from '../../oidc-state/refresh-tokens.ts';
import {
  type Browser,
  destroySession,
  findSession,
  findSessionByUid,
  upsertSession,
} from '../../oidc-state/sessions.ts';
import { guarded } from './database-errors.ts';
import type { RowHandles } from './row-handle.ts';

export type AdapterOptions = {
  db: Db;
  handles: RowHandles;
  /** Seconds; see REFRESH_REUSE_LEEWAY. */
  refreshReuseLeeway: number;
  /** Called before a refresh token that was already rotated is accepted within the leeway. */
  onLeewayUse: (token: Payload) => Promise<void>;
  /** Header in which a proxy says where a request comes from. */
  placeHeader?: string | undefined;
  clients: Adapter;
};

/**
 * The storage oidc-provider asks for, on PostgreSQL. Ids are bearer values: only their SHA-256 is
 * stored and the payload is stored without them. Single use is decided by one UPDATE, because the
 * library finds, checks and consumes without atomicity (RFC 9700 §2.1.1, §2.2.2).
 */
export function createAdapter(options: AdapterOptions): (model: string) => Adapter {
  return (model) => guarded(adapterFor(model, options));
}

function adapterFor(model: string, options: AdapterOptions): Adapter {
  switch (model) {
    case 'Client':
      return options.clients;
    case 'Grant':
      return grantAdapter(options);
    case 'Session':
      return sessionAdapter(options);
    case 'RefreshToken':
      return refreshTokenAdapter(options);
    case 'Interaction':
      return interactionAdapter(options);
    case 'ReplayDetection':
      return replayAdapter(options);
    default:
      return artifactAdapter(model, options);
  }
}

/** Answers for what a model never does. */
const NOTHING = {
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: async () => undefined,
  revokeByGrantId: async () => undefined,
};

function grantAdapter({ db }: AdapterOptions): Adapter {
  return {
    ...NOTHING,
    upsert: (id, payload, expiresIn) => {
      const { organization: _asItWas, ...kept } = withoutId(payload);
      return upsertGrant(db, id, kept, ended(expiresIn));
    },
    find: async (id) => withId(await findGrant(db, id), id),
    destroy: (id) => destroyGrant(db, id),
  };
}

function sessionAdapter({ db, handles, placeHeader }: AdapterOptions): Adapter {
  return {
    ...NOTHING,
    upsert: async (id, payload, expiresIn) => {
      const row = [handles.idOf(id), withoutId(payload), ended(expiresIn)] as const;
      const stored = await upsertSession(db, ...row, browserOf(placeHeader));
      // What the request was about to be answered with stays untold; the person, not the app, hears.
      if (!stored) {
        const error = new errors.SessionNotFound('the session was ended');
        throw Object.assign(error, { allow_redirect: false });
      }
    },
    find: async (id) => withId((await findSession(db, handles.idOf(id)))?.payload, id),
    findByUid: async (uid) => {
      const row = await findSessionByUid(db, uid);
      return row && withId(row.payload, handles.handleOf(row.id));
    },
    destroy: (id) => destroySession(db, handles.idOf(id)),
  };
}

function refreshTokenAdapter(options: AdapterOptions): Adapter {
  const { db, handles, refreshReuseLeeway: leeway, onLeewayUse } = options;
  return {
    ...NOTHING,
    upsert: (id, payload, expiresIn) =>
      upsertRefreshToken(db, handles.idOf(id), withoutId(payload), ended(expiresIn)),
    find: async (id) => {
      const row = await findRefreshToken(db, handles.idOf(id), Math.max(leeway, elapsed()));
      if (row && row.consumed !== null) noteReuse(row.payload);
      return row && withId(row.payload, id, row.consumed);
    },
    consume: async (id) => {
      const rowId = handles.idOf(id);
      const outcome = await consumeRefreshToken(db, rowId, leeway);
      if (outcome === 'refused') throw new errors.InvalidGrant('refresh token already used');
      if (outcome === 'again') {
        const row = await findRefreshToken(db, rowId, leeway);
        if (row === undefined) throw new errors.InvalidGrant('refresh token already used');
        await onLeewayUse(row.payload);
      }
    },
    destroy: (id) => destroyRefreshToken(db, handles.idOf(id)),
    revokeByGrantId: (grantId) => revokeRefreshTokens(db, grantId),
  };
}

/** Seconds an interaction is kept after its end, so that a stale page finds its way back (login.md). */
const KEEP_INTERACTION = 86_400;

/**
 * An interaction holds the session's cookie and perhaps a device code, so its payload is encrypted
 * under its own id; the end it counts to is in there too. Destroying it only marks it. Who was proven
 * in it is told beside, so that what ends their sessions ends it, too (end.ts).
 */
function interactionAdapter({ db, handles }: AdapterOptions): Adapter {
  const model = 'Interaction';
  return {
    ...NOTHING,
    upsert: (id, payload, expiresIn) => {
      const sealed = sealWith(id, JSON.stringify(withoutId(payload)));
      const keep = ended(expiresIn) + KEEP_INTERACTION;
      const accountId = payload.result?.login?.accountId;
      const stored = accountId === undefined ? { sealed } : { sealed, accountId };
      return upsertArtifact(db, model, handles.idOf(id), stored, keep);
    },
    find: async (id) => {
      const row = await findArtifact(db, model, handles.idOf(id));
      if (row === undefined || row.consumed !== null) return undefined;
      return withId(unseal(id, row.payload), id);
    },
    destroy: async (id) => {
      await consumeArtifact(db, model, handles.idOf(id));
    },
  };
}

/** DPoP proofs and client assertions are used once: inserting is the check (RFC 9449 §11.1). */
function replayAdapter({ db, handles }: AdapterOptions): Adapter {
  const model = 'ReplayDetection';
  return {
    ...NOTHING,
    upsert: async (id, payload, expiresIn) => {
      const row = [handles.idOf(id), withoutId(payload), ended(expiresIn)] as const;
      const fresh = await insertArtifactOnce(db, model, ...row);
      if (!fresh) throw new errors.InvalidRequest('the JWT was already used');
    },
    find: async (id) => withId((await findArtifact(db, model, handles.idOf(id)))?.payload, id),
    destroy: (id) => destroyArtifact(db, model, handles.idOf(id)),
  };
}

function artifactAdapter(model: string, { db, handles }: AdapterOptions): Adapter {
  return {
    ...NOTHING,
    upsert: (id, payload, expiresIn) =>
      upsertArtifact(db, model, handles.idOf(id), withoutId(payload), expiresIn),
    find: async (id) => {
      const row = await findArtifact(db, model, handles.idOf(id), elapsed());
      if (row && row.consumed !== null) noteReuse(row.payload);
      return row && withId(row.payload, id, row.consumed);
    },
    findByUserCode: async (code) => {
      const row = code.includes('\0') ? undefined : await findArtifactByUserCode(db, code);
      return row && withId(row.payload, handles.handleOf(row.id), row.consumed);
    },
    consume: async (id) => {
      if (!(await consumeArtifact(db, model, handles.idOf(id)))) {
        throw model === 'PushedAuthorizationRequest'
          ? new errors.InvalidRequestUri('request_uri was already used')
          : new errors.InvalidGrant('already used');
      }
    },
    destroy: (id) => destroyArtifact(db, model, handles.idOf(id)),
    revokeByGrantId: (grantId) => revokeArtifacts(db, model, grantId),
  };
}

/** An interaction's payload, from what is stored under the hash of `uid`. */
export function unseal(uid: string, stored: Payload): Payload {
  return JSON.parse(openWith(uid, stored.sealed as string)) as Payload;
}

/** Whose code or refresh token was presented a second time. */
export type Reused = { grantId: string; userId?: string; clientId?: string };

/** Keeps for the audit log what the library doesn't tell when it ends the family. */
function noteReuse({ grantId, accountId, clientId }: Payload): void {
  const { ctx } = Provider;
  if (ctx === undefined || grantId === undefined) return;
  ctx.state.reused = {
    grantId,
    ...(accountId === undefined ? {} : { userId: accountId }),
    ...(clientId === undefined ? {} : { clientId }),
  } satisfies Reused;
}

/** Longest user agent and place kept; they are whatever was sent. */
const MAX_USER_AGENT = 400;
const MAX_PLACE = 100;

/** What the request that is being answered tells of the browser; nothing outside of one. */
function browserOf(placeHeader: string | undefined): Browser {
  const { ctx } = Provider;
  if (ctx === undefined) return {};
  const place = placeHeader === undefined ? '' : ctx.get(placeHeader);
  return {
    ip: ctx.ip,
    userAgent: ctx.get('User-Agent').slice(0, MAX_USER_AGENT) || undefined,
    place: place.slice(0, MAX_PLACE) || undefined,
  };
}

/** Seconds since the request that asks began; 0 outside of one. */
function elapsed(): number {
  const started = Provider.ctx?.state.startedAt as number | undefined;
  return started === undefined ? 0 : (performance.now() - started) / 1000;
}

/** Seconds until an end that every row of its table has. */
function ended(expiresIn: number | undefined): number {
  if (expiresIn === undefined) throw new TypeError('stored without an end');
  return expiresIn;
}

function withoutId(payload: AdapterPayload): Payload {
  const { jti: _jti, consumed: _consumed, ...rest } = payload;
  return rest as Payload;
}

function withId(
  payload: Payload | undefined,
  jti: string,
  consumed: number | null = null,
): AdapterPayload | undefined {
  if (payload === undefined) return undefined;
  return { ...payload, jti, ...(consumed === null ? {} : { consumed }) } as AdapterPayload;
}
