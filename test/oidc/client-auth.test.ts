import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assignApi, createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';

const API = 'https://api.example.com/';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let app: TestApp;
let machine: RelyingParty;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;

beforeAll(async () => {
  app = await startApp();
  await createApi(app, API, ['read']);
  keys = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', use: 'sig' };
  machine = await register({ jwks: { keys: [jwk] } }, keys.privateKey);
});
afterAll(() => app.stop());

async function register(
  metadata: Record<string, unknown>,
  key: typeof keys.privateKey,
): Promise<RelyingParty> {
  const party = await createRelyingParty(app, {
    kind: 'machine',
    metadata: { token_endpoint_auth_method: 'private_key_jwt', ...metadata },
    auth: oidc.PrivateKeyJwt(key),
  });
  await assignApi(app, party.client, API);
  return party;
}

const ask = (party = machine) => oidc.clientCredentialsGrant(party.config, { resource: API });

/** Sends an assertion made by hand. @returns the OAuth error, if any. */
async function send(
  assertion: string,
  extra: Record<string, string> = {},
): Promise<string | undefined> {
  const response = await fetch(`${app.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: API,
      client_assertion_type: ASSERTION,
      client_assertion: assertion,
      ...extra,
    }),
  });
  return ((await response.json()) as { error?: string }).error;
}

const claims = (change: object = {}) => ({
  iss: machine.client.id,
  sub: machine.client.id,
  aud: app.issuer,
  jti: crypto.randomUUID(),
  iat: Math.floor(Date.now() / 1000),
  exp: Math.floor(Date.now() / 1000) + 60,
  ...change,
});

const sign = (change: object = {}, key = keys.privateKey, header: object = {}) =>
  new SignJWT(claims(change)).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(key);

test('a client is known by a JWT signed with its key (private_key_jwt)', async () => {
  await expect(ask()).resolves.toMatchObject({ token_type: 'bearer' });
  expect(machine.secret).toBeUndefined();
});

test.each(['RS256', 'PS256', 'EdDSA', 'Ed25519'])('with an %s key', async (alg) => {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  const party = await register({ jwks: { keys: [{ ...jwk, alg }] } }, pair.privateKey);
  const assertion = await new SignJWT(claims({ iss: party.client.id, sub: party.client.id }))
    .setProtectedHeader({ alg })
    .sign(pair.privateKey);
  expect(await send(assertion)).toBeUndefined();
});

test('an assertion is taken once', async () => {
  const assertion = await sign();
  expect(await send(assertion)).toBeUndefined();
  expect(await send(assertion)).toBe('invalid_client');
});

test('of one assertion sent many times at once, over two replicas, one is taken', async () => {
  const { port } = await app.startReplica();
  const assertion = await sign();
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    resource: API,
    client_assertion_type: ASSERTION,
    client_assertion: assertion,
  });
  const all = Array.from({ length: 10 }, (_, i) =>
    fetch(i % 2 === 0 ? `${app.issuer}/token` : `http://127.0.0.1:${port}/token`, {
      method: 'POST',
      body,
    }),
  );
  const statuses = (await Promise.all(all)).map((response) => response.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
});

test.each<[string, () => Promise<string>]>([
  ['for the token endpoint as audience', () => sign({ aud: `${app.issuer}/token` })],
  ['for several audiences', () => sign({ aud: [app.issuer, 'https://other.example/'] })],
  ['for another audience', () => sign({ aud: 'https://other.example/' })],
  ['without an audience', () => sign({ aud: undefined })],
  ['that has expired', () => sign({ exp: 1_700_000_000 })],
  ['that never expires', () => sign({ exp: undefined })],
  ['that isn’t valid yet', () => sign({ nbf: 4_000_000_000 })],
  ['without a jti', () => sign({ jti: undefined })],
  ['of another issuer', () => sign({ iss: 'somebody-else' })],
  ['about another client', () => sign({ sub: 'somebody-else' })],
  ['signed by another key', async () => sign({}, (await generateKeyPair('ES256')).privateKey)],
  [
    'signed by another key under another kid',
    async () => sign({}, (await generateKeyPair('ES256')).privateKey, { kid: 'k2' }),
  ],
  ['that is not signed', async () => new UnsecuredJWT(claims()).encode()],
  [
    'signed with the public key as a secret',
    async () =>
      new SignJWT(claims())
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)))),
  ],
  ['that is truncated', async () => (await sign()).slice(0, -8)],
])('an assertion is refused %s', async (_, make) => {
  expect(await send(await make())).toBe('invalid_client');
});

test('an assertion that is no JWT is malformed', async () => {
  expect(await send('nonsense')).toBe('invalid_request');
});

test('two ways to authenticate at once are refused', async () => {
  expect(await send(await sign(), { client_secret: 'x' })).toBe('invalid_request');
  expect(await send(await sign(), { client_id: 'somebody-else' })).toBe('invalid_request');
});

test('a client with a key is not known by a secret, nor one with a secret by a key', async () => {
  const web = await createRelyingParty(app, { kind: 'machine' });
  const id = { iss: web.client.id, sub: web.client.id };
  expect(await send(await sign(id))).toBe('invalid_client');
  const body = { grant_type: 'client_credentials', client_id: machine.client.id };
  for (const secret of ['', 'x', 'undefined']) {
    const response = await fetch(`${app.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...body, client_secret: secret }),
    });
    expect(response.status).toBe(401);
  }
});

test('keys are fetched from jwks_uri', async () => {
  const pair = await generateKeyPair('ES256');
  const published = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'r1' }] };
  const server = await serve(published);
  const { port } = server.address() as AddressInfo;
  const party = await register({ jwks_uri: `http://127.0.0.1:${port}/jwks` }, pair.privateKey);
  const id = { iss: party.client.id, sub: party.client.id };
  expect(await send(await sign(id, pair.privateKey, { kid: 'r1' }))).toBeUndefined();
  server.close();
  expect(await send(await sign(id, pair.privateKey, { kid: 'r1' }))).toBeUndefined();
});

test('a client whose jwks_uri is out of reach is refused', async () => {
  const pair = await generateKeyPair('ES256');
  const party = await register({ jwks_uri: 'http://127.0.0.1:9/jwks' }, pair.privateKey);
  const id = { iss: party.client.id, sub: party.client.id };
  expect(await send(await sign(id, pair.privateKey))).toMatch(/^invalid_client/);
});

async function serve(answer: object): Promise<Server> {
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'application/jwk-set+json' });
    res.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

test('an unknown client is told no more than a wrong secret is', async () => {
  const secretive = await createRelyingParty(app, { kind: 'machine' });
  const ids = ['unknown', secretive.client.id, 'a'.repeat(3000)];
  for (const id of ids) {
    const response = await fetch(`${app.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${id}:wrong`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      error: 'invalid_client',
      error_description: 'client authentication failed',
    });
  }
});
