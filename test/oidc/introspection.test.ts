import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assignApi, createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';

const OPAQUE_API = 'https://api.example.com/opaque';

let app: TestApp;
let party: RelyingParty;
let owner: RelyingParty;
let stranger: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  party = await createRelyingParty(app);
  stranger = await createRelyingParty(app);
  owner = await createRelyingParty(app, { kind: 'machine' });
  await createApi(app, OPAQUE_API, ['read'], {
    token_format: 'opaque',
    access_token_ttl: 120,
    owner_client_id: owner.client.id,
  });
  await assignApi(app, party.client, OPAQUE_API);
});
afterAll(() => app.stop());

test('a client is told about its own tokens', async () => {
  const tokens = await party.signIn({ scope: 'openid email offline_access' });
  const access = await oidc.tokenIntrospection(party.config, tokens.access_token);
  expect(access).toMatchObject({
    active: true,
    sub: tokens.claims()?.sub,
    client_id: party.client.id,
    iss: app.issuer,
    token_type: 'Bearer',
    scope: 'openid email offline_access',
    acr: 'urn:plinto:acr:1fa',
    auth_time: tokens.claims()?.auth_time,
  });
  expect(Number(access.exp) - Number(access.iat)).toBe(app.config.ttl.accessToken);
  const refresh = await oidc.tokenIntrospection(party.config, String(tokens.refresh_token));
  expect(refresh).toMatchObject({ active: true, client_id: party.client.id });
});

test.each(['access_token', 'refresh_token', 'nonsense'])(
  'a wrong hint costs nothing: %s',
  async (token_type_hint) => {
    const tokens = await party.signIn({ scope: 'openid offline_access' });
    for (const token of [tokens.access_token, String(tokens.refresh_token)]) {
      const told = await oidc.tokenIntrospection(party.config, token, { token_type_hint });
      expect(told.active).toBe(true);
    }
  },
);

test('a client learns nothing of the tokens of another, nor of what is no token', async () => {
  const tokens = await party.signIn({ scope: 'openid offline_access' });
  for (const token of [tokens.access_token, String(tokens.refresh_token), 'nothing', '%00']) {
    expect(await oidc.tokenIntrospection(stranger.config, token)).toEqual({ active: false });
  }
});

test('an API is told about the opaque tokens meant for it, and about no others', async () => {
  const tokens = await party.signIn({ scope: 'openid read', resource: OPAQUE_API });
  expect(tokens.access_token.split('.')).toHaveLength(1);
  const plain = await party.signIn({ scope: 'openid' });
  expect(await oidc.tokenIntrospection(owner.config, plain.access_token)).toEqual({
    active: false,
  });
  const exchanged = await party.signIn({ scope: 'read', resource: OPAQUE_API });
  const told = await oidc.tokenIntrospection(owner.config, exchanged.access_token);
  expect(told).toMatchObject({
    active: true,
    aud: OPAQUE_API,
    scope: 'read',
    client_id: party.client.id,
    sub: tokens.claims()?.sub,
  });
  expect(Number(told.exp) - Number(told.iat)).toBe(120);
  expect(await oidc.tokenIntrospection(stranger.config, exchanged.access_token)).toEqual({
    active: false,
  });
});

test('introspection needs a client that authenticates', async () => {
  const { access_token } = await party.signIn();
  const ask = (body: Record<string, string>, authorization?: string) =>
    fetch(`${app.issuer}/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: access_token, ...body }),
      ...(authorization ? { headers: { authorization } } : {}),
    });
  expect((await ask({})).status).toBe(400);
  const wrong = await ask({}, `Basic ${btoa(`${party.client.id}:wrong`)}`);
  expect(wrong.status).toBe(401);
  expect(await wrong.json()).toMatchObject({ error: 'invalid_client' });
  const missing = await ask({ client_id: party.client.id });
  expect(await missing.json()).toMatchObject({ error: 'invalid_client' });
});

test('a public client may ask about its own token, and learns nothing of others', async () => {
  const spa = await createRelyingParty(app, { kind: 'spa' });
  const own = await spa.signIn();
  const other = await party.signIn();
  expect((await oidc.tokenIntrospection(spa.config, own.access_token)).active).toBe(true);
  expect(await oidc.tokenIntrospection(spa.config, other.access_token)).toEqual({ active: false });
});

test('signed introspection (RFC 9701) for who asks for it', async () => {
  const { access_token } = await party.signIn();
  const authorization = `Basic ${btoa(`${party.client.id}:${party.secret}`)}`;
  const response = await fetch(`${app.issuer}/introspect`, {
    method: 'POST',
    headers: { authorization, accept: 'application/token-introspection+jwt' },
    body: new URLSearchParams({ token: access_token }),
  });
  expect(response.headers.get('content-type')).toMatch(/^application\/token-introspection\+jwt/);
  const keys = createRemoteJWKSet(new URL(`${app.issuer}/jwks`));
  const { payload } = await jwtVerify(await response.text(), keys, {
    issuer: app.issuer,
    audience: party.client.id,
    typ: 'token-introspection+jwt',
  });
  expect(payload.token_introspection).toMatchObject({ active: true, client_id: party.client.id });
});

test('an expired token is not active', async () => {
  const { access_token } = await party.signIn();
  await app.runtime.deps.db.raw(
    `UPDATE oidc_artifacts SET payload =
       jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch FROM now())::int - 1))::json
     WHERE model = 'AccessToken'`,
  );
  expect(await oidc.tokenIntrospection(party.config, access_token)).toEqual({ active: false });
});

test('a JWT is refused with a word: an API verifies it by its signature', async () => {
  const { id_token } = await party.signIn();
  expect(await errorOf(oidc.tokenIntrospection(party.config, String(id_token)))).toBe(
    'unsupported_token_type',
  );
});
