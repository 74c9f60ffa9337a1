import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';
import { createVisitor } from '../support/visitor.ts';

const API = 'https://api.example.com/';
const OFFLINE = { scope: 'openid email offline_access' };

let app: TestApp;
let spa: RelyingParty;

beforeAll(async () => {
  app = await startApp({ DPOP_REQUIRE_NONCE: 'true' });
  await app.createUser();
  spa = await createRelyingParty(app, {
    kind: 'spa',
    metadata: { dpop_bound_access_tokens: true },
  });
  await createApi(app, API, ['read']);
  await assignApi(app, spa.client, API);
});
afterAll(() => app.stop());

/** A client's key, as openid-client uses it. */
async function newKey(party = spa) {
  const pair = await oidc.randomDPoPKeyPair('ES256', { extractable: true });
  const DPoP = oidc.getDPoPHandle(party.config, pair);
  return { pair, DPoP, thumbprint: await calculateJwkThumbprint(await exportJWK(pair.publicKey)) };
}

async function signIn(DPoP: oidc.DPoPHandle, parameters: Record<string, string> = OFFLINE) {
  const request = await spa.authorize(parameters);
  const back = await createVisitor().signIn(request.url, CALLBACK);
  return request.redeem(back.url, {}, { DPoP });
}

/** A proof made by hand. */
async function proof(claims: object, header: object = {}, alg = 'ES256'): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return new SignJWT({ jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk, ...header })
    .setIssuedAt()
    .sign(privateKey);
}

const requestToken = (dpop: string, body: Record<string, string>) =>
  fetch(`${app.issuer}/token`, {
    method: 'POST',
    headers: { dpop },
    body: new URLSearchParams({ client_id: spa.client.id, ...body }),
  });

test('the server asks for a nonce of its own, and takes a proof that has it', async () => {
  const body = { grant_type: 'refresh_token', refresh_token: 'x' };
  const claims = { htm: 'POST', htu: `${app.issuer}/token` };
  const first = await requestToken(await proof(claims), body);
  expect(first.status).toBe(400);
  expect(await first.json()).toMatchObject({ error: 'use_dpop_nonce' });
  const nonce = String(first.headers.get('dpop-nonce'));
  const second = await requestToken(await proof({ ...claims, nonce }), body);
  expect(await second.json()).toMatchObject({ error: 'invalid_grant' });
  const invented = await requestToken(await proof({ ...claims, nonce: 'invented' }), body);
  expect(await invented.json()).toMatchObject({ error: 'use_dpop_nonce' });
});

test('a nonce of one replica is good at another', async () => {
  const { port } = await app.startReplica();
  const body = { grant_type: 'refresh_token', refresh_token: 'x' };
  const claims = { htm: 'POST', htu: `${app.issuer}/token` };
  const first = await requestToken(await proof(claims), body);
  const nonce = String(first.headers.get('dpop-nonce'));
  const dpop = await proof({ ...claims, nonce });
  const elsewhere = await fetch(`http://127.0.0.1:${port}/token`, {
    method: 'POST',
    headers: { dpop },
    body: new URLSearchParams({ client_id: spa.client.id, ...body }),
  });
  expect(await elsewhere.json()).toMatchObject({ error: 'invalid_grant' });
});

describe('a bound token', () => {
  test('names the key, is used with it, and with no other', async () => {
    const own = await newKey();
    const tokens = await signIn(own.DPoP);
    expect(tokens.token_type).toBe('dpop');
    const sub = String(tokens.claims()?.sub);
    const read = (DPoP?: oidc.DPoPHandle) =>
      oidc.fetchUserInfo(spa.config, tokens.access_token, sub, DPoP && { DPoP });
    expect((await read(own.DPoP)).email).toBe('ada@example.com');
    expect(await errorOf(read((await newKey()).DPoP))).toBe('invalid_token');
    expect(await errorOf(read())).toBe('invalid_token');
    const told = await oidc.tokenIntrospection(spa.config, tokens.access_token);
    expect(told).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: own.thumbprint } });
  });

  test('is a JWT with the key’s thumbprint for an API', async () => {
    const own = await newKey();
    const tokens = await signIn(own.DPoP, { scope: 'read', resource: API });
    const { payload } = await verifyAccessToken(app.issuer, tokens.access_token, API);
    expect(payload.cnf).toEqual({ jkt: own.thumbprint });
  });

  test('is refreshed by a public client with the same key only', async () => {
    const own = await newKey();
    const tokens = await signIn(own.DPoP);
    const refresh = (DPoP?: oidc.DPoPHandle) =>
      oidc.refreshTokenGrant(spa.config, String(tokens.refresh_token), {}, DPoP && { DPoP });
    expect(await errorOf(refresh((await newKey()).DPoP))).toBe('invalid_grant');
    expect(await errorOf(refresh())).toBe('invalid_grant');
    const refreshed = await refresh(own.DPoP);
    expect(refreshed.token_type).toBe('dpop');
  });

  test('is not issued without a proof to a client that registered for it', async () => {
    const request = await spa.authorize();
    const back = await createVisitor().signIn(request.url, CALLBACK);
    expect(await errorOf(request.redeem(back.url))).toBe('invalid_grant');
  });
});

test('a code asked for with a key is redeemed with it only (dpop_jkt)', async () => {
  const own = await newKey();
  const ask = async () => {
    const request = await spa.authorize({ dpop_jkt: own.thumbprint });
    const back = await createVisitor().signIn(request.url, CALLBACK);
    return (DPoP: oidc.DPoPHandle) => request.redeem(back.url, {}, { DPoP });
  };
  const stolen = await ask();
  expect(await errorOf(stolen((await newKey()).DPoP))).toBe('invalid_grant');
  const redeem = await ask();
  await expect(redeem(own.DPoP)).resolves.toMatchObject({ token_type: 'dpop' });
});

test('a proof is taken once', async () => {
  const own = await newKey();
  const tokens = await signIn(own.DPoP);
  let replayed: Headers | undefined;
  spa.config[oidc.customFetch] = async (url, options) => {
    const response = await fetch(url, options as RequestInit);
    if (response.ok) replayed = new Headers(options.headers);
    return response;
  };
  const sub = String(tokens.claims()?.sub);
  await oidc.fetchUserInfo(spa.config, tokens.access_token, sub, { DPoP: own.DPoP });
  spa.config[oidc.customFetch] = fetch as unknown as oidc.CustomFetch;
  const again = await fetch(`${app.issuer}/userinfo`, { headers: replayed as Headers });
  expect(again.status).toBe(401);
  expect(await again.json()).toMatchObject({ error: 'invalid_token' });
});

describe('a proof is refused', () => {
  const good = () => ({ htm: 'POST', htu: `${app.issuer}/token` });
  test.each<[string, () => Promise<string>]>([
    ['for another method', () => proof({ ...good(), htm: 'GET' })],
    ['for another address', () => proof({ ...good(), htu: 'https://other.example/token' })],
    ['for another endpoint', () => proof({ ...good(), htu: `${app.issuer}/par` })],
    ['that is no proof by its type', () => proof(good(), { typ: 'JWT' })],
    ['without a jti', () => proof({ ...good(), jti: undefined })],
    ['signed by another key than it shows', mismatched],
    ['that shows its private key', withPrivateKey],
    ['that is no JWT', async () => 'nonsense'],
    ['that is not signed', async () => unsigned(await proof(good()))],
  ])('%s', async (_, make) => {
    const body = { grant_type: 'refresh_token', refresh_token: 'x' };
    const response = await requestToken(await make(), body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_dpop_proof' });
  });

  async function mismatched(): Promise<string> {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    return proof(good(), { jwk: await exportJWK(publicKey) });
  }

  async function withPrivateKey(): Promise<string> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    return new SignJWT({ ...good(), jti: 'x' })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(privateKey) })
      .setIssuedAt()
      .sign(privateKey);
  }
});

function unsigned(jwt: string): string {
  const [header = '', payload] = jwt.split('.');
  const changed = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'none' };
  return `${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${payload}.`;
}

test('a client that did not register for it may bind its tokens too', async () => {
  const web = await createRelyingParty(app);
  const own = await newKey(web);
  const request = await web.authorize();
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const tokens = await request.redeem(back.url, {}, { DPoP: own.DPoP });
  expect(tokens.token_type).toBe('dpop');
});
