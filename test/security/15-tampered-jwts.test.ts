import { createHmac } from 'node:crypto';
import { base64url, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, redeem } from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

let app: TestApp;
let credentials: Credentials;
let idToken: string;
let jwks: { keys: { kid: string; alg?: string; use?: string; x?: string }[] };
let signed: { client: Client; key: Key; kid: string };

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  credentials = await app.createClient({ postLogoutRedirectUris: [CALLBACK] });
  const back = await createVisitor().signIn(authorizationUrl(app, credentials.client.id), CALLBACK);
  const code = new URL(back.url).searchParams.get('code') ?? '';
  idToken = String(
    ((await (await redeem(app, credentials, code)).json()) as { id_token: string }).id_token,
  );
  jwks = (await (await fetch(`${app.issuer}/jwks`)).json()) as typeof jwks;

  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = 'the-clients-key';
  const { client } = await app.createClient({
    metadata: {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      request_object_signing_alg: 'ES256',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }] },
    },
  });
  signed = { client, key: privateKey, kid };
});
afterAll(() => app.stop());

/** Every way to change a JWT that must not go unnoticed. */
function tamperings(jwt: string, publicKey: string): [string, string][] {
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  const parsed = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<
    string,
    unknown
  >;
  const encode = (value: object): string => base64url.encode(JSON.stringify(value));
  const hs256 = encode({ ...parsed, alg: 'HS256' });
  const mac = createHmac('sha256', publicKey).update(`${hs256}.${payload}`).digest('base64url');
  return [
    ['alg none without a signature', `${encode({ ...parsed, alg: 'none' })}.${payload}.`],
    [
      'alg none with the old signature',
      `${encode({ ...parsed, alg: 'none' })}.${payload}.${signature}`,
    ],
    ['alg None', `${encode({ ...parsed, alg: 'None' })}.${payload}.`],
    ['HS256 keyed with the public key', `${hs256}.${payload}.${mac}`],
    ['another key id', `${encode({ ...parsed, kid: 'no-such-key' })}.${payload}.${signature}`],
    ['another algorithm', `${encode({ ...parsed, alg: 'RS256' })}.${payload}.${signature}`],
    [
      'a critical header we don’t know',
      `${encode({ ...parsed, crit: ['x'], x: 1 })}.${payload}.${signature}`,
    ],
    [
      'an embedded key',
      `${encode({ ...parsed, jwk: { kty: 'oct', k: 'AAAA' } })}.${payload}.${signature}x`,
    ],
    [
      'changed claims',
      `${header}.${encode({ ...claims, sub: 'somebody-else', iss: 'x' })}.${signature}`,
    ],
    ['no signature', `${header}.${payload}.`],
    ['half a signature', `${header}.${payload}.${signature.slice(0, signature.length / 2)}`],
    ['a flipped byte', `${header}.${payload}.${flip(signature)}`],
    ['two parts', `${header}.${payload}`],
    ['five parts', `${jwt}.x.y`],
    ['nothing', '.'],
  ];
}

function flip(text: string): string {
  const bytes = Buffer.from(text, 'base64url');
  bytes[3] = (bytes[3] as number) ^ 1;
  return bytes.toString('base64url');
}

const NAMES = [...Array(15).keys()];

describe('security 15: a JWT that was tampered with is refused', () => {
  test.each(NAMES)('security 15: as id_token_hint when signing out (%i)', async (i) => {
    const publicKey = JSON.stringify(jwks.keys[0]);
    const [what, jwt] = tamperings(idToken, publicKey)[i] as [string, string];
    const url = new URL(`${app.issuer}/logout`);
    url.searchParams.set('id_token_hint', jwt);
    url.searchParams.set('post_logout_redirect_uri', CALLBACK);
    const response = await createVisitor().request(url.href);
    expect(response.status, what).toBe(400);
    expect(response.headers.get('location'), what).toBeNull();
  });

  test.each(NAMES)('security 15: as id_token_hint of an authorization request (%i)', async (i) => {
    const [what, jwt] = tamperings(idToken, JSON.stringify(jwks.keys[0]))[i] as [string, string];
    const url = authorizationUrl(app, credentials.client.id, {
      id_token_hint: jwt,
      prompt: 'none',
    });
    const back = await createVisitor().open(url, CALLBACK);
    expect(new URL(back.url).searchParams.get('error'), what).toBe('invalid_request');
  });

  test.each(NAMES)('security 15: as a request object (%i)', async (i) => {
    const request = await new SignJWT({
      client_id: signed.client.id,
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid',
      nonce: 'n',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    })
      .setProtectedHeader({ alg: 'ES256', kid: signed.kid })
      .setIssuer(signed.client.id)
      .setAudience(app.issuer)
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(signed.key);
    const url = new URL(`${app.issuer}/authorize`);
    url.searchParams.set('client_id', signed.client.id);
    url.searchParams.set('request', request);
    expect(pageName(await createVisitor().open(url.href, CALLBACK))).toBe('login');
    const [what, jwt] = tamperings(request, 'the public key')[i] as [string, string];
    url.searchParams.set('request', jwt);
    const page = await createVisitor().open(url.href, CALLBACK);
    expect(pageName(page) ?? new URL(page.url).searchParams.get('error'), what).toMatch(
      /^(error|invalid_request_object)$/,
    );
  });

  test.each(NAMES)('security 15: as a client assertion (%i)', async (i) => {
    const assertion = await new SignJWT({ jti: `jti-${i}` })
      .setProtectedHeader({ alg: 'ES256', kid: signed.kid })
      .setIssuer(signed.client.id)
      .setSubject(signed.client.id)
      .setAudience(app.issuer)
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(signed.key);
    const send = async (jwt: string): Promise<{ status: number; error: string }> => {
      const response = await fetch(`${app.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code: 'x',
          redirect_uri: CALLBACK,
          client_assertion: jwt,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        }),
      });
      return { status: response.status, ...((await response.json()) as { error: string }) };
    };
    const [what, jwt] = tamperings(assertion, 'the public key')[i] as [string, string];
    expect((await send(jwt)).error, what).toMatch(/^invalid_(client|request)$/);
    // Untouched it authenticates: what is wrong then is the code.
    expect((await send(assertion)).error).toBe('invalid_grant');
  });

  test('security 15: an access token is no ID token, and the other way round', async () => {
    const response = await fetch(`${app.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${idToken}` },
    });
    expect(response.status).toBe(401);
  });
});
