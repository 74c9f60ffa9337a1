import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  errorOf,
  type RelyingParty,
  type Tokens,
} from '../support/relying-party.ts';

const ADDRESS = { formatted: '1 Dean Street\nLondon', country: 'UK', postal_code: 'W1' };
const EVERYTHING = 'openid profile email phone address';

let app: TestApp;
let user: User;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  user = await app.createUser({
    username: 'ada',
    profile: { given_name: 'Ada', family_name: 'Lovelace', locale: 'en-GB', phone_number: '+4420' },
  });
  await app.runtime.deps.db('users').update({
    address: JSON.stringify(ADDRESS),
    phone_number_verified_at: new Date(),
    website: 'https://ada.example',
  });
  party = await createRelyingParty(app, { scope: EVERYTHING });
});
afterAll(() => app.stop());

const read = (tokens: Tokens) =>
  oidc.fetchUserInfo(party.config, tokens.access_token, String(tokens.claims()?.sub));

const request = (token: string, init: RequestInit = {}) =>
  fetch(`${app.issuer}/userinfo`, { ...init, headers: { authorization: `Bearer ${token}` } });

const PROFILE = {
  name: 'Ada Lovelace',
  given_name: 'Ada',
  family_name: 'Lovelace',
  preferred_username: 'ada',
  locale: 'en-GB',
  website: 'https://ada.example',
  updated_at: expect.any(Number),
};

describe.each([
  ['openid', {}],
  ['openid profile', PROFILE],
  ['openid email', { email: 'ada@example.com', email_verified: true }],
  ['openid phone', { phone_number: '+4420', phone_number_verified: true }],
  ['openid address', { address: ADDRESS }],
])('scope %s', (scope, claims) => {
  let tokens: Tokens;
  beforeAll(async () => {
    tokens = await party.signIn({ scope });
  });

  test('gives its claims at userinfo and no others', async () => {
    expect(await read(tokens)).toEqual({ sub: user.id, ...claims });
  });

  test('gives them in the ID token, with how and when the person signed in', () => {
    expect(tokens.claims()).toEqual({
      sub: user.id,
      ...claims,
      acr: 'urn:plinto:acr:1fa',
      amr: ['pwd'],
      auth_time: expect.any(Number),
      iss: app.issuer,
      aud: party.client.id,
      exp: expect.any(Number),
      iat: expect.any(Number),
      nonce: expect.any(String),
    });
  });
});

test('userinfo is the same by GET, by POST, and with the token in a form', async () => {
  const { access_token } = await party.signIn({ scope: 'openid email' });
  const form = fetch(`${app.issuer}/userinfo`, {
    method: 'POST',
    body: new URLSearchParams({ access_token }),
  });
  const answers = [request(access_token), request(access_token, { method: 'POST' }), form];
  for (const answer of await Promise.all(answers)) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toMatchObject({ sub: user.id, email: 'ada@example.com' });
  }
});

test('userinfo is refused, in JSON, without a good token for it', async () => {
  const { access_token } = await party.signIn();
  for (const token of ['nothing', `${access_token}x`, 'a.b.c', access_token.slice(1)]) {
    const answer = await request(token);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/);
    expect(await answer.json()).toMatchObject({ error: 'invalid_token' });
  }
  const none = await fetch(`${app.issuer}/userinfo`);
  expect(none.status).toBe(401);
  expect(none.headers.get('www-authenticate')).toContain(`Bearer realm="${app.issuer}",`);
  const inQuery = await fetch(`${app.issuer}/userinfo?access_token=${access_token}`);
  expect(inQuery.status).toBe(400);
});

test('a token without openid is not for userinfo', async () => {
  const tokens = await party.signIn({ scope: 'email' });
  expect(tokens.id_token).toBeUndefined();
  const answer = await request(tokens.access_token);
  expect(answer.status).toBe(403);
  expect(await answer.json()).toMatchObject({ error: 'insufficient_scope' });
});

test('signed userinfo (JWT) for a client that registered it', async () => {
  const signed = await createRelyingParty(app, {
    metadata: { userinfo_signed_response_alg: 'ES256' },
  });
  const tokens = await signed.signIn({ scope: 'openid email' });
  const answer = await request(tokens.access_token);
  expect(answer.headers.get('content-type')).toMatch(/^application\/jwt/);
  const keys = createRemoteJWKSet(new URL(`${app.issuer}/jwks`));
  const { payload } = await jwtVerify(await answer.text(), keys, {
    issuer: app.issuer,
    audience: signed.client.id,
    algorithms: ['ES256'],
  });
  expect(payload).toMatchObject({ sub: user.id, email: 'ada@example.com' });
});

test('the claims parameter asks for single claims, in the one place or the other', async () => {
  const claims = {
    userinfo: { phone_number: null, name: { essential: true } },
    id_token: { email: null, given_name: { value: 'Ada' } },
  };
  const tokens = await party.signIn({ claims: JSON.stringify(claims) });
  expect(await read(tokens)).toEqual({
    sub: user.id,
    phone_number: '+4420',
    name: 'Ada Lovelace',
  });
  expect(tokens.claims()).toMatchObject({ email: 'ada@example.com', given_name: 'Ada' });
  expect(tokens.claims()).not.toHaveProperty('name');
});

test.each(['{', '[]', '{}', '{"userinfo": []}', '{"userinfo": {"name": 1}}'])(
  'malformed claims are refused: %s',
  async (claims) => {
    expect(await errorOf(party.signIn({ claims }))).toBe('invalid_request');
  },
);

test('a suspended person is refused with the token they hold', async () => {
  const suspended = await app.createUser({ email: 'bob@example.com' });
  const tokens = await party.signIn({}, { identifier: 'bob@example.com' });
  expect((await request(tokens.access_token)).status).toBe(200);
  await transaction(app.runtime.deps.db, (trx) => suspendUser(trx, SYSTEM, suspended));
  expect((await request(tokens.access_token)).status).toBe(401);
});
