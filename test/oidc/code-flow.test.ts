import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createVisitor } from '../support/visitor.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
});
afterAll(() => app.stop());

async function discover(input: Parameters<TestApp['createClient']>[0] = {}) {
  const { client, secret } = await app.createClient(input);
  const config = await oidc.discovery(new URL(app.issuer), client.id, secret, undefined, {
    execute: [oidc.allowInsecureRequests],
  });
  return { client, secret, config };
}

test('code flow with PKCE, ID token claims, userinfo and refresh', async () => {
  const { config } = await discover();
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  });
  const visitor = createVisitor();
  const back = await visitor.signIn(url.href, CALLBACK);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(back.url), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
  const claims = tokens.claims();
  expect(claims).toMatchObject({
    iss: app.issuer,
    email: 'ada@example.com',
    email_verified: true,
    name: 'Ada Lovelace',
    acr: 'urn:plinto:acr:1fa',
    amr: ['pwd'],
  });
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, String(claims?.sub));
  expect(userinfo.email).toBe('ada@example.com');
  const refreshed = await oidc.refreshTokenGrant(config, String(tokens.refresh_token));
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
  expect(refreshed.claims()?.sub).toBe(claims?.sub);
});
