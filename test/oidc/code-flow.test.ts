import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';
import { createVisitor } from '../support/visitor.ts';

let app: TestApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

test('code flow with PKCE, ID token claims, userinfo and refresh', async () => {
  const tokens = await party.signIn({ scope: 'openid profile email offline_access' });
  const claims = tokens.claims();
  expect(claims).toMatchObject({
    iss: app.issuer,
    email: 'ada@example.com',
    email_verified: true,
    name: 'Ada Lovelace',
    acr: 'urn:plinto:acr:1fa',
    amr: ['pwd'],
  });
  const userinfo = await oidc.fetchUserInfo(party.config, tokens.access_token, String(claims?.sub));
  expect(userinfo.email).toBe('ada@example.com');
  const refreshed = await oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
  expect(refreshed.claims()?.sub).toBe(claims?.sub);
});

test('an answer carries iss (RFC 9207), the state as sent, and comes by 303', async () => {
  const request = await party.authorize({ state: 'quo"te & <b>\'€ +%25' });
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const answer = new URL(back.url).searchParams;
  expect(answer.get('iss')).toBe(app.issuer);
  expect(answer.get('state')).toBe('quo"te & <b>\'€ +%25');
  expect(back.status).toBe(303);
});

test.each([
  ['left out', undefined],
  ['of another request', oidc.randomPKCECodeVerifier()],
])('a code is worth nothing with a code_verifier %s', async (_, verifier) => {
  const request = await party.authorize();
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const { pkceCodeVerifier: _own, ...checks } = request.checks;
  const refused = oidc.authorizationCodeGrant(party.config, new URL(back.url), {
    ...checks,
    ...(verifier === undefined ? {} : { pkceCodeVerifier: verifier }),
  });
  expect(await errorOf(refused)).toBe('invalid_grant');
});

test.each([
  ['without a challenge', { code_challenge: '', code_challenge_method: '' }],
  ['with the plain method', { code_challenge_method: 'plain' }],
])('a request %s is refused', async (_, override) => {
  const { url } = await party.authorize();
  const target = new URL(url);
  for (const [name, value] of Object.entries(override)) {
    if (value === '') target.searchParams.delete(name);
    else target.searchParams.set(name, value);
  }
  const back = await createVisitor().open(target.href, CALLBACK);
  expect(new URL(back.url).searchParams.get('error')).toBe('invalid_request');
});

test('security 16: a code verifier can not be added to a code that was asked for without one', async () => {
  const legacy = await createRelyingParty(app, { metadata: { legacy_confidential: true } });
  const { url, checks } = await legacy.authorize();
  const target = new URL(url);
  target.searchParams.delete('code_challenge');
  target.searchParams.delete('code_challenge_method');
  const visitor = createVisitor();
  const back = await visitor.signIn(target.href, CALLBACK);
  const added = oidc.authorizationCodeGrant(legacy.config, new URL(back.url), checks);
  expect(await errorOf(added)).toBe('invalid_grant');
  const again = await visitor.open(target.href, CALLBACK);
  const { pkceCodeVerifier: _none, ...plain } = checks;
  const tokens = await oidc.authorizationCodeGrant(legacy.config, new URL(again.url), plain);
  expect(tokens.claims()?.sub).toBeTypeOf('string');
});

test('security 16: a code is bound to its client', async () => {
  const other = await createRelyingParty(app);
  const request = await party.authorize();
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const stolen = oidc.authorizationCodeGrant(other.config, new URL(back.url), request.checks);
  expect(await errorOf(stolen)).toBe('invalid_grant');
});

test('security 16: a code is bound to its redirect_uri', async () => {
  const two = await createRelyingParty(app, { redirectUris: [CALLBACK, `${CALLBACK}/two`] });
  const request = await two.authorize();
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const elsewhere = new URL(back.url);
  elsewhere.pathname = '/callback/two';
  expect(await errorOf(request.redeem(elsewhere))).toBe('invalid_grant');
});

test('a code used a second time is refused and ends the tokens it gave', async () => {
  const request = await party.authorize({ scope: 'openid offline_access' });
  const back = await createVisitor().signIn(request.url, CALLBACK);
  const tokens = await request.redeem(back.url);
  expect(await errorOf(request.redeem(back.url))).toBe('invalid_grant');
  expect(await oidc.tokenIntrospection(party.config, tokens.access_token)).toEqual({
    active: false,
  });
  const refresh = oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
  expect(await errorOf(refresh)).toBe('invalid_grant');
});
