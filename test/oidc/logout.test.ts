import { decodeJwt, decodeProtectedHeader, importJWK, type JWK, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadJwks } from '../../src/oidc/keys/keys.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  errorOf,
  type Parameters,
  type RelyingParty,
} from '../support/relying-party.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const SIGNED_OUT = 'http://127.0.0.1:9/signed-out?from=plinto';

let app: TestApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  party = await createRelyingParty(app, { name: 'Shop', postLogoutRedirectUris: [SIGNED_OUT] });
});
afterAll(() => app.stop());

const endSession = (parameters: Record<string, string> = {}) =>
  oidc.buildEndSessionUrl(party.config, parameters).href;

/** Whether this browser is still signed in, seen by a client that asks without bothering anybody. */
async function isSignedIn(visitor: Visitor): Promise<boolean> {
  const request = await party.authorize({ prompt: 'none' });
  const back = await visitor.open(request.url, CALLBACK);
  return new URL(back.url).searchParams.has('code');
}

async function signedIn(parameters?: Parameters) {
  const visitor = createVisitor();
  const tokens = await party.signIn(parameters, { visitor });
  return { visitor, tokens, hint: String(tokens.id_token) };
}

const confirm = (visitor: Visitor, page: Page) =>
  visitor.submit(page, '/logout/confirm', { logout: 'yes' }, SIGNED_OUT);

test('with a hint: asks, ends the session, and goes back with the state', async () => {
  const { visitor, hint } = await signedIn();
  const state = 'to "the" <start> & back';
  const page = await visitor.open(
    endSession({ id_token_hint: hint, post_logout_redirect_uri: SIGNED_OUT, state }),
  );
  expect(pageName(page)).toBe('logout');
  expect(page.html).toContain('Shop');
  expect(await isSignedIn(visitor)).toBe(true);
  const back = await confirm(visitor, page);
  const target = new URL(back.url);
  expect(back.status).toBe(303);
  expect(target.searchParams.get('state')).toBe(state);
  expect(target.searchParams.get('from')).toBe('plinto');
  expect(await isSignedIn(visitor)).toBe(false);
  const ended = app.runtime.deps.db('audit_events').where({ type: 'session.ended' });
  expect(await ended).toMatchObject([{ client_id: party.client.id, ip: '127.0.0.1' }]);
});

test('the address after it is exact and a stranger can not set it', async () => {
  const { visitor, hint } = await signedIn();
  for (const uri of [
    `${SIGNED_OUT}&more=1`,
    'http://127.0.0.1:9/signed-out',
    'http://127.0.0.1:10/signed-out?from=plinto',
    'https://evil.example/',
    'javascript:alert(1)',
    '//evil.example',
  ]) {
    const page = await visitor.open(
      endSession({ id_token_hint: hint, post_logout_redirect_uri: uri }),
    );
    expect(pageName(page)).toBe('error');
    expect(page.status).toBe(400);
  }
  expect(await isSignedIn(visitor)).toBe(true);
});

test('an address without client or hint is ignored: the person stays here', async () => {
  const { visitor } = await signedIn();
  const url = new URL(endSession());
  url.search = new URLSearchParams({ post_logout_redirect_uri: SIGNED_OUT }).toString();
  const page = await visitor.open(url.href);
  expect(pageName(page)).toBe('logout');
  const done = await confirm(visitor, page);
  expect(pageName(done)).toBe('signed-out');
  expect(done.url).toBe(`${app.issuer}/logout/success`);
  expect(await isSignedIn(visitor)).toBe(false);
});

test('with nothing but the client the person is asked and sent back', async () => {
  const { visitor } = await signedIn();
  const page = await visitor.open(endSession({ post_logout_redirect_uri: SIGNED_OUT }));
  expect((await confirm(visitor, page)).url).toBe(SIGNED_OUT);
});

test('a person who stays signed in is still signed in', async () => {
  const { visitor, hint } = await signedIn();
  const page = await visitor.open(endSession({ id_token_hint: hint }));
  const stayed = await visitor.submit(page, '/logout/confirm');
  expect(pageName(stayed)).toBe('still-signed-in');
  expect(await isSignedIn(visitor)).toBe(true);
});

test('nobody is signed out by a link or a form of another site', async () => {
  const { visitor, hint } = await signedIn();
  await visitor.open(endSession({ id_token_hint: hint }));
  const forged = await visitor.open(`${app.issuer}/logout/confirm`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ logout: 'yes', xsrf: 'guessed' }),
  });
  expect(forged.status).toBe(400);
  expect(await isSignedIn(visitor)).toBe(true);
});

test('a hint of another client, altered, or no JWT at all is refused', async () => {
  const { visitor, hint } = await signedIn();
  const other = await createRelyingParty(app);
  const foreign = String((await other.signIn()).id_token);
  const [header, payload] = hint.split('.');
  for (const bad of [foreign, 'nonsense', `${header}.${payload}.`, `${header}.${payload}.AAAA`]) {
    const page = await visitor.open(endSession({ id_token_hint: bad }));
    expect(pageName(page)).toBe('error');
    expect(page.status).toBe(400);
  }
});

test('an expired hint of the right client still works', async () => {
  const { visitor, hint } = await signedIn();
  const { alg, kid } = decodeProtectedHeader(hint);
  const { keys } = await loadJwks(app.runtime.deps.db, app.runtime.keyring.box);
  const key = await importJWK(keys.find((jwk) => jwk.kid === kid) as JWK, String(alg));
  const expired = await new SignJWT({ ...decodeJwt(hint), exp: 1_700_000_000 })
    .setProtectedHeader({ alg: String(alg), kid: String(kid) })
    .sign(key);
  const page = await visitor.open(endSession({ id_token_hint: expired }));
  expect(pageName(page)).toBe('logout');
});

test('signing out twice, or without being signed in, ends at the same place', async () => {
  const visitor = createVisitor();
  const page = await visitor.open(endSession({ post_logout_redirect_uri: SIGNED_OUT }));
  const back = await visitor.submit(page, '/logout/confirm', {}, SIGNED_OUT);
  expect(back.url).toBe(SIGNED_OUT);
});

test('tokens that live with the session end with it, offline access stays', async () => {
  const online = await signedIn({ scope: 'openid email' });
  const offline = await signedIn({ scope: 'openid offline_access' });
  for (const { visitor } of [online, offline]) {
    await confirm(visitor, await visitor.open(endSession()));
  }
  const told = await oidc.tokenIntrospection(party.config, online.tokens.access_token);
  expect(told).toEqual({ active: false });
  const refresh = oidc.refreshTokenGrant(party.config, String(offline.tokens.refresh_token));
  await expect(refresh).resolves.toMatchObject({ token_type: 'bearer' });
  expect(await errorOf(oidc.refreshTokenGrant(party.config, 'none'))).toBe('invalid_grant');
});

test('a cookie of a session that ended opens nothing', async () => {
  const { visitor } = await signedIn();
  const stolen = createVisitor();
  for (const cookie of await visitor.jar.getCookies(app.issuer)) {
    await stolen.jar.setCookie(cookie, app.issuer);
  }
  expect(await isSignedIn(stolen)).toBe(true);
  await confirm(visitor, await visitor.open(endSession()));
  expect(await isSignedIn(stolen)).toBe(false);
});
