import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  type Parameters,
  type RelyingParty,
} from '../support/relying-party.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const BOB = { identifier: 'bob@example.com', password: PASSWORD };

let app: TestApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await app.createUser({ email: 'bob@example.com', profile: { name: 'Bob' } });
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

async function signedIn() {
  const visitor = createVisitor();
  return { visitor, tokens: await party.signIn({}, { visitor }) };
}

async function ask(visitor: Visitor, parameters: Parameters) {
  const request = await party.authorize(parameters);
  return { ...request, page: await visitor.open(request.url, CALLBACK) };
}

const errorIn = (page: Page) => new URL(page.url).searchParams.get('error');
const claimsOf = async (
  request: { redeem: (url: string) => Promise<{ claims(): unknown }> },
  page: Page,
) => (await request.redeem(page.url)).claims() as Record<string, unknown>;

/** Makes every session look as if its person had signed in so many seconds ago. */
const ageSessions = (seconds: number) =>
  app.runtime.deps.db.raw(
    `UPDATE oidc_sessions SET payload =
       jsonb_set(payload::jsonb, '{loginTs}', to_jsonb((payload->>'loginTs')::int - ?::int))::json
     WHERE payload->>'loginTs' IS NOT NULL`,
    [seconds],
  );

describe('prompt=none', () => {
  test('answers at once who is signed in', async () => {
    const { visitor, tokens } = await signedIn();
    const request = await ask(visitor, { prompt: 'none' });
    expect((await claimsOf(request, request.page)).sub).toBe(tokens.claims()?.sub);
  });

  test('is login_required where nobody is', async () => {
    const { page } = await ask(createVisitor(), { prompt: 'none' });
    expect(errorIn(page)).toBe('login_required');
    expect(new URL(page.url).searchParams.get('iss')).toBe(app.issuer);
  });

  test('is consent_required where somebody has to agree', async () => {
    const { visitor } = await signedIn();
    const third = await createRelyingParty(app, { firstParty: false });
    const request = await third.authorize({ prompt: 'none' });
    expect(errorIn(await visitor.open(request.url, CALLBACK))).toBe('consent_required');
  });

  test('is login_required when the sign-in is too old', async () => {
    const { visitor } = await signedIn();
    await ageSessions(100);
    const { page } = await ask(visitor, { prompt: 'none', max_age: '60' });
    expect(errorIn(page)).toBe('login_required');
  });

  test('goes with no other prompt', async () => {
    for (const prompt of ['none login', 'login none consent']) {
      expect(errorIn((await ask(createVisitor(), { prompt })).page)).toBe('invalid_request');
    }
  });
});

test('an unknown prompt is refused', async () => {
  expect(errorIn((await ask(createVisitor(), { prompt: 'dance' })).page)).toBe('invalid_request');
});

describe('prompt=login', () => {
  test('asks for the password of who is signed in, and says when it was given', async () => {
    const { visitor, tokens } = await signedIn();
    await ageSessions(500);
    const request = await ask(visitor, { prompt: 'login' });
    expect(pageName(request.page)).toBe('password');
    expect(request.page.html).toContain('ada@example.com');
    const wrong = await visitor.submit(request.page, '/password', { password: 'wrong' });
    expect(alertText(wrong)).toMatch(/Wrong password/);
    const back = await visitor.submit(wrong, '/password', { password: PASSWORD }, CALLBACK);
    const claims = await claimsOf(request, back);
    expect(claims.sub).toBe(tokens.claims()?.sub);
    expect(claims.auth_time).toBeGreaterThanOrEqual(Number(tokens.claims()?.auth_time));
  });

  test('asks each time', async () => {
    const { visitor } = await signedIn();
    for (const _ of [1, 2]) {
      const { page } = await ask(visitor, { prompt: 'login' });
      expect(pageName(page)).toBe('password');
      const back = await visitor.submit(page, '/password', { password: PASSWORD }, CALLBACK);
      expect(back.url).toContain('code=');
    }
  });

  test('with consent asks for both, in this order', async () => {
    const { visitor } = await signedIn();
    const { page } = await ask(visitor, { prompt: 'login consent' });
    expect(pageName(page)).toBe('password');
    const consent = await visitor.submit(page, '/password', { password: PASSWORD }, CALLBACK);
    expect(pageName(consent)).toBe('consent');
    expect((await visitor.submit(consent, '/consent', {}, CALLBACK)).url).toContain('code=');
  });

  test('lets somebody else sign in, which signs the other out', async () => {
    const { visitor, tokens } = await signedIn();
    const request = await ask(visitor, { prompt: 'login' });
    const other = await visitor.submit(request.page, '/switch');
    expect(pageName(other)).toBe('login');
    const back = await visitor.submit(other, '/login', BOB, CALLBACK);
    const claims = await claimsOf(request, back);
    expect(claims.sub).not.toBe(tokens.claims()?.sub);
    const left = await app.runtime.deps
      .db('audit_events')
      .where({ type: 'session.ended', user_id: tokens.claims()?.sub });
    expect(left).toHaveLength(1);
    expect(await oidc.tokenIntrospection(party.config, tokens.access_token)).toEqual({
      active: false,
    });
  });
});

test('somebody else may sign in on a page that was opened before anybody had', async () => {
  const visitor = createVisitor();
  const request = await ask(visitor, {});
  const tokens = await party.signIn({}, { visitor });
  const back = await visitor.submit(request.page, '/login', BOB, CALLBACK);
  expect((await claimsOf(request, back)).sub).not.toBe(tokens.claims()?.sub);
});

test('a person who gives up is told of to the client', async () => {
  const { page } = await ask(createVisitor(), {});
  const visitor = createVisitor();
  const own = await ask(visitor, {});
  expect(errorIn(await visitor.submit(own.page, '/abort', {}, CALLBACK))).toBe('access_denied');
  expect(pageName(page)).toBe('login');
});

describe('max_age', () => {
  test('asks again once the sign-in is older, and the answer says when it was', async () => {
    const { visitor } = await signedIn();
    const fresh = await ask(visitor, { max_age: '300' });
    expect(fresh.page.url).toContain('code=');
    await ageSessions(1000);
    const request = await ask(visitor, { max_age: '300' });
    expect(pageName(request.page)).toBe('password');
    const fields = { password: PASSWORD };
    const back = await visitor.submit(request.page, '/password', fields, CALLBACK);
    const claims = await claimsOf(request, back);
    expect(Date.now() / 1000 - Number(claims.auth_time)).toBeLessThan(60);
  });

  test('0 asks always', async () => {
    const { visitor } = await signedIn();
    expect(pageName((await ask(visitor, { max_age: '0' })).page)).toBe('password');
  });

  test.each(['-1', 'x', '1.5', '1e99'])('%s is refused', async (max_age) => {
    expect(errorIn((await ask(createVisitor(), { max_age })).page)).toBe('invalid_request');
  });

  test('is a client’s own where it registered one', async () => {
    const strict = await createRelyingParty(app, { metadata: { default_max_age: 60 } });
    const visitor = createVisitor();
    await strict.signIn({}, { visitor });
    await ageSessions(100);
    const request = await strict.authorize();
    expect(pageName(await visitor.open(request.url, CALLBACK))).toBe('password');
  });
});

describe('security 3: a level of authentication (acr)', () => {
  const essential = (acr: object) =>
    JSON.stringify({ id_token: { acr: { essential: true, ...acr } } });

  test('that is asked for and reached is told', async () => {
    const { visitor } = await signedIn();
    const claims = essential({ values: ['urn:plinto:acr:1fa'] });
    const request = await ask(visitor, { claims });
    expect((await claimsOf(request, request.page)).acr).toBe('urn:plinto:acr:1fa');
  });

  test('that nobody knows is no hindrance, where it is only wished for', async () => {
    const { visitor } = await signedIn();
    const request = await ask(visitor, { acr_values: '1 urn:example:gold' });
    expect((await claimsOf(request, request.page)).acr).toBe('urn:plinto:acr:1fa');
  });

  test.each([
    ['essential', { claims: essential({ value: 'urn:example:gold' }) }],
    ['known, but not here', { acr_values: 'phrh' }],
    [
      'essential beside one that could be met',
      {
        claims: essential({ value: 'phrh' }),
        acr_values: 'urn:plinto:acr:1fa',
      },
    ],
  ])('that nobody can meet is an error before anybody is asked (%s)', async (_, params) => {
    const { page } = await ask(createVisitor(), params);
    expect(errorIn(page)).toBe('unmet_authentication_requirements');
    const silent = await ask(createVisitor(), { ...params, prompt: 'none' });
    expect(errorIn(silent.page)).toBe('unmet_authentication_requirements');
  });
});

describe('a certain person', () => {
  test('named by id_token_hint is who is signed in, or signs in', async () => {
    const { visitor, tokens } = await signedIn();
    const hint = String(tokens.id_token);
    expect((await ask(visitor, { id_token_hint: hint })).page.url).toContain('code=');
    const other = createVisitor();
    await party.signIn({}, { visitor: other, identifier: 'bob@example.com' });
    expect(pageName((await ask(other, { id_token_hint: hint })).page)).toBe('login');
    const silent = await ask(other, { id_token_hint: hint, prompt: 'none' });
    expect(errorIn(silent.page)).toBe('login_required');
  });

  test('named by the claims parameter too', async () => {
    const { tokens } = await signedIn();
    const claims = JSON.stringify({ id_token: { sub: { value: tokens.claims()?.sub } } });
    const other = createVisitor();
    await party.signIn({}, { visitor: other, identifier: 'bob@example.com' });
    expect(pageName((await ask(other, { claims })).page)).toBe('login');
  });

  test('hinted at by login_hint has the name filled in', async () => {
    const { page } = await ask(createVisitor(), { login_hint: 'ada@"example".com' });
    expect(page.html).toContain('value="ada@&#34;example&#34;.com"');
  });
});

test('pages speak the language that the client asks for', async () => {
  const { page } = await ask(createVisitor(), { ui_locales: 'nl de' });
  expect(page.html).toContain('<html lang="de"');
});

describe('a session', () => {
  test('ends when it is idle, and at its absolute limit however often used', async () => {
    const { visitor } = await signedIn();
    const { db } = app.runtime.deps;
    const left = async (): Promise<number> => {
      const { rows } = await db.raw(
        `SELECT extract(epoch FROM max(expires_at) - now())::int AS seconds FROM oidc_sessions`,
      );
      return rows[0].seconds;
    };
    const { sessionIdle, session } = app.config.ttl;
    await db('oidc_sessions').update({ expires_at: db.raw("now() + interval '1 minute'") });
    await ask(visitor, {});
    expect(await left()).toBeGreaterThan(sessionIdle - 60);
    await ageSessions(session - 1000);
    await ask(visitor, {});
    await db('oidc_sessions').whereRaw("expires_at > now() + interval '1 hour'").delete();
    expect(await left()).toBeGreaterThan(800);
    expect(await left()).toBeLessThanOrEqual(1000);
  });
});
