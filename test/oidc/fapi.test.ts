import { exportJWK, generateKeyPair } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp, type TestClient } from '../support/app.ts';
import {
  createRelyingParty,
  errorOf,
  prepareRequest,
  type RelyingParty,
} from '../support/relying-party.ts';
import { createVisitor } from '../support/visitor.ts';

const API = 'https://api.example.com/payments';

let app: TestApp;
let bank: RelyingParty;
let key: oidc.CryptoKey;
let DPoP: oidc.DPoPHandle;
let metadata: NonNullable<TestClient['metadata']>;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await createApi(app, API, ['pay']);
  const pair = await generateKeyPair('PS256', { extractable: true });
  key = pair.privateKey as oidc.CryptoKey;
  metadata = {
    fapi_profile: '2.0',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'PS256',
    require_pushed_authorization_requests: true,
    dpop_bound_access_tokens: true,
    id_token_signed_response_alg: 'PS256',
    request_object_signing_alg: 'PS256',
    jwks: { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'PS256' }] },
  };
  bank = await createRelyingParty(app, { metadata, auth: oidc.PrivateKeyJwt(key) });
  await assignApi(app, bank.client, API);
  DPoP = oidc.getDPoPHandle(bank.config, await oidc.randomDPoPKeyPair('ES256'));
});
afterAll(() => app.stop());

test('a client of the FAPI 2.0 Security Profile signs a person in and calls an API', async () => {
  const { query, checks } = await prepareRequest({
    redirect_uri: CALLBACK,
    scope: 'openid offline_access pay',
    resource: API,
  });
  const url = await oidc.buildAuthorizationUrlWithPAR(bank.config, query, { DPoP });
  const back = await createVisitor().signIn(url.href, CALLBACK);
  const tokens = await oidc.authorizationCodeGrant(
    bank.config,
    new URL(back.url),
    checks,
    {},
    { DPoP },
  );
  const refresh = () =>
    oidc.refreshTokenGrant(bank.config, String(tokens.refresh_token), { resource: API }, { DPoP });
  const first = await refresh();
  const { payload } = await verifyAccessToken(app.issuer, first.access_token, API);
  expect(payload).toMatchObject({ scope: 'pay', cnf: { jkt: expect.any(String) } });
  // Bound to the client's key, a refresh token isn't rotated.
  expect(first.refresh_token).toBe(tokens.refresh_token);
  expect((await refresh()).refresh_token).toBe(tokens.refresh_token);
});

test.each<[string, object]>([
  ['a secret', { token_endpoint_auth_method: 'client_secret_basic' }],
  ['no authentication', { token_endpoint_auth_method: 'none' }],
  ['a weak assertion', { token_endpoint_auth_signing_alg: 'RS256' }],
  ['an assertion of any strength', { token_endpoint_auth_signing_alg: undefined }],
  ['requests that are not pushed', { require_pushed_authorization_requests: false }],
  ['tokens for any bearer', { dpop_bound_access_tokens: false }],
  ['tokens in the browser', { response_types: ['code id_token'] }],
  ['weak signatures', { id_token_signed_response_alg: 'RS256' }],
  ['another profile', { fapi_profile: '1.0' }],
])('a client that wants the profile and %s is not registered', async (_, change) => {
  const redirectUris = ['https://bank.example.com/callback'];
  const input = { redirectUris, metadata: { ...metadata, ...change } };
  await expect(app.createClient(input)).rejects.toThrow(/fapi_profile/);
});

test('a signed request is valid for an hour at most', async () => {
  const request = async (change: object) => {
    const { query } = await prepareRequest({ redirect_uri: CALLBACK });
    const signed = await oidc.buildAuthorizationUrlWithJAR(
      bank.config,
      query,
      { key, kid: 'k1' },
      { [oidc.modifyAssertion]: (_header, payload) => void Object.assign(payload, change) },
    );
    return oidc.buildAuthorizationUrlWithPAR(bank.config, signed.searchParams, { DPoP });
  };
  const now = Math.floor(Date.now() / 1000);
  await expect(request({ nbf: now, exp: now + 300 })).resolves.toBeInstanceOf(URL);
  expect(await errorOf(request({ nbf: now, exp: now + 4000 }))).toBe('invalid_request_object');
  expect(await errorOf(request({ nbf: undefined }))).toBe('invalid_request_object');
});
