import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  type Parameters,
  type RelyingParty,
} from '../support/relying-party.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const ADA = { identifier: 'ada@example.com', password: PASSWORD };
const API = 'https://api.example.com/';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await createApi(app, API, ['files:read', 'files:write']);
});
afterAll(() => app.stop());

const thirdParty = (name = 'Third') => createRelyingParty(app, { name, firstParty: false });

/** Opens a request and signs in if asked. @returns the consent page, or the client's callback. */
async function ask(party: RelyingParty, visitor: Visitor, parameters: Parameters) {
  const request = await party.authorize(parameters);
  const first = await visitor.open(request.url, CALLBACK);
  const signedIn = pageName(first) !== 'login';
  return {
    ...request,
    page: signedIn ? first : await visitor.submit(first, '/login', ADA, CALLBACK),
  };
}

const isBack = (page: Page) => page.url.startsWith(`${CALLBACK}?code=`);
const agree = (visitor: Visitor, page: Page) => visitor.submit(page, '/consent', {}, CALLBACK);

describe('a third-party app', () => {
  test('is agreed to on a page that says who, as whom, for what, and where to', async () => {
    const party = await thirdParty('Crunchy <b>Numbers</b>');
    await assignApi(app, party.client, API, ['files:read']);
    const visitor = createVisitor();
    const { page, redeem } = await ask(party, visitor, {
      scope: 'openid email files:read files:write',
      resource: API,
    });
    expect(pageName(page)).toBe('consent');
    expect(page.html).toContain('Crunchy &lt;b&gt;Numbers&lt;/b&gt;');
    expect(page.html).toContain('ada@example.com');
    expect(page.html).toContain('Your email address');
    expect(page.html).toContain(`API at ${API}`);
    expect(page.html).toContain('files:read');
    expect(page.html).not.toContain('files:write');
    expect(page.html).not.toContain('Your profile');
    expect(page.html).toContain(new URL(CALLBACK).host);
    const tokens = await redeem((await agree(visitor, page)).url, { resource: API });
    const { payload } = await verifyAccessToken(app.issuer, tokens.access_token, API);
    expect(payload.scope).toBe('files:read');
    expect(tokens.claims()?.email).toBe('ada@example.com');
  });

  test('that is not agreed to is told so, and gets nothing', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    const { page } = await ask(party, visitor, { scope: 'openid email' });
    const back = await visitor.submit(page, '/abort', {}, CALLBACK);
    const answer = new URL(back.url).searchParams;
    expect(answer.get('error')).toBe('access_denied');
    expect(answer.get('iss')).toBe(app.issuer);
    expect(answer.has('code')).toBe(false);
    expect(await app.runtime.deps.db('oidc_grants').where({ client_id: party.client.id })).toEqual(
      [],
    );
    const again = await ask(party, visitor, { scope: 'openid email' });
    expect(pageName(again.page)).toBe('consent');
  });

  test('is asked about once, and again only for what is new', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    const first = await ask(party, visitor, { scope: 'openid email' });
    await agree(visitor, first.page);
    expect(isBack((await ask(party, visitor, { scope: 'openid email' })).page)).toBe(true);
    expect(isBack((await ask(party, visitor, { scope: 'openid' })).page)).toBe(true);
    const more = await ask(party, visitor, { scope: 'openid email profile' });
    expect(pageName(more.page)).toBe('consent');
    expect(more.page.html).toContain('Your profile');
    expect(more.page.html).not.toContain('Your email address');
    const tokens = await more.redeem((await agree(visitor, more.page)).url);
    expect(tokens.claims()).toMatchObject({ email: 'ada@example.com', name: 'Ada Lovelace' });
  });

  test('is asked about for single claims, and for an API, on their own', async () => {
    const party = await thirdParty();
    await assignApi(app, party.client, API);
    const visitor = createVisitor();
    await agree(visitor, (await ask(party, visitor, { scope: 'openid' })).page);
    const claims = JSON.stringify({ userinfo: { phone_number: null } });
    const claim = await ask(party, visitor, { scope: 'openid', claims });
    expect(claim.page.html).toContain('Your phone number');
    await agree(visitor, claim.page);
    const api = await ask(party, visitor, { scope: 'openid files:write', resource: API });
    expect(api.page.html).toContain('files:write');
    await agree(visitor, api.page);
    expect(isBack((await ask(party, visitor, { scope: 'openid', claims })).page)).toBe(true);
  });

  test('is agreed to for every browser, as far as it asks for no more', async () => {
    const party = await thirdParty();
    await assignApi(app, party.client, API);
    const claims = JSON.stringify({ userinfo: { phone_number: null } });
    const everything = { scope: 'openid email files:read', resource: API, claims };
    const visitor = createVisitor();
    await agree(visitor, (await ask(party, visitor, everything)).page);
    const other = createVisitor();
    const silent = await ask(party, other, everything);
    const tokens = await silent.redeem(silent.page.url, { resource: API });
    const { payload } = await verifyAccessToken(app.issuer, tokens.access_token, API);
    expect(payload.scope).toBe('files:read');
    const quiet = await party.authorize({ scope: 'openid', prompt: 'none' });
    expect(isBack(await other.open(quiet.url, CALLBACK))).toBe(true);
    for (const more of [
      { scope: 'openid email profile' },
      { scope: 'openid', claims: JSON.stringify({ userinfo: { birthdate: null } }) },
      { scope: 'openid files:write', resource: API },
      { scope: 'openid', prompt: 'consent' },
    ]) {
      expect(pageName((await ask(party, createVisitor(), more)).page)).toBe('consent');
    }
  });

  test('is not agreed to by somebody else', async () => {
    await app.createUser({ email: 'bob@example.com' });
    const party = await thirdParty();
    const visitor = createVisitor();
    await agree(visitor, (await ask(party, visitor, { scope: 'openid' })).page);
    const request = await party.authorize({ scope: 'openid' });
    const bob = { identifier: 'bob@example.com' };
    expect(pageName(await createVisitor().signIn(request.url, CALLBACK, bob))).toBe('consent');
  });

  test('is not agreed to any more once it was deleted', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    await agree(visitor, (await ask(party, visitor, { scope: 'openid' })).page);
    const { db } = app.runtime.deps;
    const agreed = () => db('consents').where({ client_id: party.client.id });
    expect(await agreed()).toHaveLength(1);
    await db('clients').where({ id: party.client.id }).delete();
    expect(await agreed()).toEqual([]);
  });

  test('gets offline access only where the person is asked for it', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    const silent = await ask(party, visitor, { scope: 'openid offline_access' });
    expect(silent.page.html).not.toContain('Until you revoke it');
    const tokens = await silent.redeem((await agree(visitor, silent.page)).url);
    expect(tokens.refresh_token).toBeUndefined();
    const asked = await ask(party, visitor, {
      scope: 'openid offline_access',
      prompt: 'consent',
    });
    expect(pageName(asked.page)).toBe('consent');
    expect(asked.page.html).toContain('Until you revoke it');
    const offline = await asked.redeem((await agree(visitor, asked.page)).url);
    expect(offline.refresh_token).toBeTypeOf('string');
  });

  test('gets no scope that is not its own (security 18)', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    const { page } = await ask(party, visitor, { scope: 'openid address' });
    expect(new URL(page.url).searchParams.get('error')).toBe('invalid_scope');
  });

  test('loses its tokens with the grant, and is asked about again without the consent', async () => {
    const party = await thirdParty();
    const visitor = createVisitor();
    const { page, redeem } = await ask(party, visitor, { scope: 'openid email' });
    const tokens = await redeem((await agree(visitor, page)).url);
    for (const table of ['oidc_grants', 'consents']) {
      await app.runtime.deps.db(table).where({ client_id: party.client.id }).delete();
    }
    const told = await oidc.tokenIntrospection(party.config, tokens.access_token);
    expect(told).toEqual({ active: false });
    expect(pageName((await ask(party, visitor, { scope: 'openid email' })).page)).toBe('consent');
  });
});

describe('a first-party app', () => {
  test('asks nobody, and gets offline access without prompt=consent', async () => {
    const party = await createRelyingParty(app);
    const tokens = await party.signIn({ scope: 'openid profile email offline_access' });
    expect(tokens.refresh_token).toBeTypeOf('string');
  });

  test('asks when it asks to ask (prompt=consent)', async () => {
    const party = await createRelyingParty(app);
    const visitor = createVisitor();
    const { page } = await ask(party, visitor, { scope: 'openid email', prompt: 'consent' });
    expect(pageName(page)).toBe('consent');
    expect(isBack(await agree(visitor, page))).toBe(true);
  });
});

describe('a native app, as whom others on the device can pose (RFC 8252 §8.6)', () => {
  const native = (firstParty: boolean, redirectUris = [CALLBACK]) =>
    createRelyingParty(app, { kind: 'native', firstParty, redirectUris });

  test('of a third party is asked about every time', async () => {
    const party = await native(false);
    const visitor = createVisitor();
    await agree(visitor, (await ask(party, visitor, { scope: 'openid' })).page);
    const again = await ask(party, visitor, { scope: 'openid' });
    expect(pageName(again.page)).toBe('consent');
  });

  test('of ours is asked about when the person would notice nothing otherwise', async () => {
    const party = await native(true);
    const visitor = createVisitor();
    expect(isBack((await ask(party, visitor, { scope: 'openid' })).page)).toBe(true);
    const unseen = await ask(party, visitor, { scope: 'openid' });
    expect(pageName(unseen.page)).toBe('consent');
    expect(isBack(await agree(visitor, unseen.page))).toBe(true);
  });

  test('of ours at an address that is its own needs no page', async () => {
    const claimed = 'https://app.example.com/callback';
    const party = await native(true, [claimed]);
    const visitor = createVisitor();
    for (const _ of [1, 2]) {
      const request = await party.authorize({ scope: 'openid' });
      const back = await visitor.signIn(request.url, claimed);
      expect(back.url).toMatch(/^https:\/\/app\.example\.com\/callback\?code=/);
    }
  });
});
