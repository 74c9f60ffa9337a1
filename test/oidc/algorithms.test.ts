import {
  compactDecrypt,
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
} from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty } from '../support/relying-party.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
  await app.createUser();
});
afterAll(() => app.stop());

const keysOf = () => createRemoteJWKSet(new URL(`${app.issuer}/jwks`));

test.each(['ES256', 'RS256', 'PS256', 'EdDSA'])(
  'a client that wants %s gets its ID tokens signed so',
  async (alg) => {
    const party = await createRelyingParty(app, {
      metadata: { id_token_signed_response_alg: alg },
    });
    const tokens = await party.signIn({ scope: 'openid offline_access' });
    expect(decodeProtectedHeader(String(tokens.id_token))).toEqual({
      alg,
      kid: expect.any(String),
    });
    const { payload } = await jwtVerify(String(tokens.id_token), keysOf(), { algorithms: [alg] });
    expect(payload.sub).toBe(tokens.claims()?.sub);
    const refreshed = await oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
    expect(decodeProtectedHeader(String(refreshed.id_token)).alg).toBe(alg);
  },
);

test('a client that says nothing gets ES256', async () => {
  const party = await createRelyingParty(app);
  const { id_token } = await party.signIn();
  expect(decodeProtectedHeader(String(id_token)).alg).toBe('ES256');
});

test.each(['HS256', 'none', 'RS1', 'ES256K'])('%s is no choice', async (alg) => {
  const metadata = { id_token_signed_response_alg: alg };
  await expect(app.createClient({ metadata })).rejects.toThrow(/id_token_signed_response_alg/);
});

describe('an encrypted answer', () => {
  async function encrypting(alg: string, property: string, extra = {}) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'enc', use: 'enc', alg };
    const party = await createRelyingParty(app, {
      metadata: { jwks: { keys: [jwk] }, [property]: alg, ...extra },
    });
    oidc.enableDecryptingResponses(party.config, undefined, {
      key: privateKey as oidc.CryptoKey,
      alg,
      kid: 'enc',
    });
    return { party, privateKey };
  }

  test.each(['RSA-OAEP-256', 'RSA-OAEP', 'ECDH-ES'])('ID token by %s', async (alg) => {
    const { party } = await encrypting(alg, 'id_token_encrypted_response_alg');
    const tokens = await party.signIn({ scope: 'openid email' });
    expect(tokens.id_token?.split('.')).toHaveLength(5);
    expect(decodeProtectedHeader(String(tokens.id_token))).toMatchObject({
      alg,
      enc: 'A128CBC-HS256',
      cty: 'JWT',
      kid: 'enc',
    });
    expect(tokens.claims()?.email).toBe('ada@example.com');
  });

  test('ID token with the content encryption of the client’s choice', async () => {
    const { party, privateKey } = await encrypting('ECDH-ES', 'id_token_encrypted_response_alg', {
      id_token_encrypted_response_enc: 'A256GCM',
    });
    const { id_token } = await party.signIn();
    expect(decodeProtectedHeader(String(id_token)).enc).toBe('A256GCM');
    const { plaintext } = await compactDecrypt(String(id_token), privateKey);
    const inner = new TextDecoder().decode(plaintext);
    const { payload } = await jwtVerify(inner, keysOf(), { audience: party.client.id });
    expect(payload.iss).toBe(app.issuer);
  });

  test('userinfo, signed inside', async () => {
    const { party } = await encrypting('ECDH-ES', 'userinfo_encrypted_response_alg', {
      userinfo_signed_response_alg: 'RS256',
    });
    const tokens = await party.signIn({ scope: 'openid email' });
    const sub = String(tokens.claims()?.sub);
    const userinfo = await oidc.fetchUserInfo(party.config, tokens.access_token, sub);
    expect(userinfo.email).toBe('ada@example.com');
  });

  test('introspection, signed inside', async () => {
    const { party, privateKey } = await encrypting(
      'ECDH-ES',
      'introspection_encrypted_response_alg',
      { introspection_signed_response_alg: 'ES256' },
    );
    const { access_token } = await party.signIn();
    const response = await fetch(`${app.issuer}/introspect`, {
      method: 'POST',
      headers: {
        accept: 'application/token-introspection+jwt',
        authorization: `Basic ${btoa(`${party.client.id}:${party.secret}`)}`,
      },
      body: new URLSearchParams({ token: access_token }),
    });
    const { plaintext } = await compactDecrypt(await response.text(), privateKey);
    const { payload } = await jwtVerify(new TextDecoder().decode(plaintext), keysOf());
    expect(payload.token_introspection).toMatchObject({ active: true });
  });
});
