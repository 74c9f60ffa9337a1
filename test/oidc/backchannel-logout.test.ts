import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { setPassword } from '../../src/password/set-password.ts';
import { deleteUser } from '../../src/users/deletion.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  type LogoutReceiver,
  type RelyingParty,
  receiveLogouts,
  type Tokens,
} from '../support/relying-party.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
const receivers: LogoutReceiver[] = [];

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
});
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});
afterAll(() => app.stop());

type Registered = { party: RelyingParty; receiver: LogoutReceiver };

async function register(
  answer?: Parameters<typeof receiveLogouts>[0],
  metadata: Record<string, unknown> = {},
): Promise<Registered> {
  const receiver = await receiveLogouts(answer);
  receivers.push(receiver);
  const party = await createRelyingParty(app, {
    metadata: {
      backchannel_logout_uri: receiver.url,
      backchannel_logout_session_required: true,
      ...metadata,
    },
  });
  return { party, receiver };
}

/** Signs the visitor out at the provider. @returns the page that tells so. */
async function signOut(visitor: Visitor, party: RelyingParty): Promise<Page> {
  const page = await visitor.open(oidc.buildEndSessionUrl(party.config).href);
  return visitor.submit(page, '/logout/confirm', { logout: 'yes' });
}

const received = (receiver: LogoutReceiver, count = 1): Promise<string[]> =>
  vi.waitFor(
    () => {
      expect(receiver.tokens.length).toBeGreaterThanOrEqual(count);
      return receiver.tokens;
    },
    { timeout: 25_000, interval: 50 },
  );

/** Checks what every receiver must (OpenID Connect Back-Channel Logout §2.6). */
async function verify(token: string, party: RelyingParty): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(`${app.issuer}/jwks`));
  const { payload } = await jwtVerify(token, keys, {
    issuer: app.issuer,
    audience: party.client.id,
    typ: 'logout+jwt',
    requiredClaims: ['iat', 'jti', 'exp', 'events'],
  });
  expect(payload.events).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} });
  expect(payload).not.toHaveProperty('nonce');
  return payload;
}

test('every client that had a token in the session gets a logout token', async () => {
  const registered = [await register(), await register()];
  const uninvolved = await register();
  const visitor = createVisitor();
  const tokens: Tokens[] = [];
  for (const { party } of registered) tokens.push(await party.signIn({}, { visitor }));
  expect(pageName(await signOut(visitor, registered[0]?.party as RelyingParty))).toBe('signed-out');
  for (const [i, { party, receiver }] of registered.entries()) {
    const [token = ''] = await received(receiver);
    const payload = await verify(token, party);
    const claims = tokens[i]?.claims();
    expect(payload.sub).toBe(claims?.sub);
    expect(payload.sid).toBe(claims?.sid);
    expect(payload.sid).toBeTypeOf('string');
    expect(receiver.tokens).toHaveLength(1);
  }
  expect(uninvolved.receiver.tokens).toEqual([]);
});

test('a client that needs no sid gets none, in the ID token as in the logout token', async () => {
  const { party, receiver } = await register(undefined, {
    backchannel_logout_session_required: false,
    id_token_signed_response_alg: 'RS256',
  });
  const visitor = createVisitor();
  const tokens = await party.signIn({}, { visitor });
  expect(tokens.claims()).not.toHaveProperty('sid');
  await signOut(visitor, party);
  const [token = ''] = await received(receiver);
  const payload = await verify(token, party);
  expect(payload).not.toHaveProperty('sid');
  expect(payload.sub).toBe(tokens.claims()?.sub);
});

test.each<[string, (trx: Trx, user: User) => Promise<void>]>([
  ['is suspended', (trx, user) => suspendUser(trx, SYSTEM, user)],
  ['gets another password', (trx, user) => setPassword(trx, SYSTEM, user, { hash: 'x' })],
  ['is deleted', async (trx, user) => void (await deleteUser(trx, SYSTEM, user))],
])('when a person %s, the apps of all their sessions are told', async (what, happen) => {
  const { party, receiver } = await register();
  const identifier = `${what.replaceAll(' ', '-')}@example.com`;
  const user = await app.createUser({ email: identifier });
  const sids = [];
  for (const _ of [1, 2]) {
    sids.push((await party.signIn({}, { visitor: createVisitor(), identifier })).claims()?.sid);
  }
  await transaction(app.runtime.deps.db, (trx) => happen(trx, user));
  const tokens = await received(receiver, 2);
  const payloads = await Promise.all(tokens.map((token) => verify(token, party)));
  expect(payloads.map(({ sub }) => sub)).toEqual([user.id, user.id]);
  expect(payloads.map(({ sid }) => sid).sort()).toEqual(sids.sort());
});

test('a receiver that never answers holds up neither the person nor the others', async () => {
  const hung = await register(() => 'never');
  const prompt = await register();
  const visitor = createVisitor();
  for (const { party } of [hung, prompt]) await party.signIn({}, { visitor });
  // The page is there while the receiver still has the request open.
  expect(pageName(await signOut(visitor, hung.party))).toBe('signed-out');
  await received(prompt.receiver);
  await received(hung.receiver);
});

test('a receiver that fails is told again', async () => {
  const failing = await register((attempt) => (attempt === 1 ? 503 : 204));
  const visitor = createVisitor();
  await failing.party.signIn({}, { visitor });
  await signOut(visitor, failing.party);
  const tokens = await received(failing.receiver, 2);
  const first = await verify(String(tokens[0]), failing.party);
  const second = await verify(String(tokens[1]), failing.party);
  expect(second.sub).toBe(first.sub);
  expect(second.sid).toBe(first.sid);
  expect(second.jti).not.toBe(first.jti);
});

test('a client that was deleted meanwhile, or wants it no more, is not told again', async () => {
  const changed = [await register(() => 503), await register(() => 503)] as const;
  const { db } = app.runtime.deps;
  const visitor = createVisitor();
  for (const { party } of changed) await party.signIn({}, { visitor });
  await signOut(visitor, changed[0].party);
  for (const { receiver } of changed) await received(receiver);
  await db('clients').where({ id: changed[0].party.client.id }).delete();
  await db('clients')
    .where({ id: changed[1].party.client.id })
    .update({ metadata: db.raw("metadata - 'backchannel_logout_uri'") });
  const ids = changed.map(({ party }) => party.client.id);
  // Its next try finds nothing to do, and the job is done.
  await db.raw(
    `UPDATE graphile_worker._private_jobs SET run_at = now() WHERE payload->>'clientId' = ANY (?)`,
    [ids],
  );
  await vi.waitFor(
    async () => {
      const { rows } = await db.raw(
        `SELECT id FROM graphile_worker._private_jobs WHERE payload->>'clientId' = ANY (?)`,
        [ids],
      );
      expect(rows).toEqual([]);
    },
    { timeout: 25_000, interval: 100 },
  );
});

test('a receiver that is dead costs the person nothing', async () => {
  const dead = await register();
  await dead.receiver.close();
  const visitor = createVisitor();
  await dead.party.signIn({}, { visitor });
  expect(pageName(await signOut(visitor, dead.party))).toBe('signed-out');
  const { db } = app.runtime.deps;
  await vi.waitFor(
    async () => {
      const { rows } = await db.raw(
        `SELECT j.attempts FROM graphile_worker._private_jobs j
         WHERE j.payload->>'clientId' = ? AND j.last_error IS NOT NULL`,
        [dead.party.client.id],
      );
      expect(rows).toHaveLength(1);
    },
    { timeout: 25_000, interval: 100 },
  );
});
