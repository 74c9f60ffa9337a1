import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
} from '../../support/authorization.ts';
import { createVisitor, findForm, type Page, pageName } from '../../support/visitor.ts';
import {
  answerTo,
  authorize,
  change,
  endOf,
  enter,
  join,
  makeOrganization,
  type Person,
  signedIn,
  slugIn,
  userinfo,
} from './tokens-app.ts';

let app: TestApp;
let web: Credentials;
/** An app that needs an organization, whatever its requests say. */
let needy: Credentials;
let foreign: Credentials;
/** In three organizations, in one, in none. */
let ada: Person;
let bob: Person;
let eve: Person;
const ids: Record<string, string> = {};

beforeAll(async () => {
  app = await startApp();
  const scope = 'openid email offline_access organizations';
  web = await app.createClient({ scope });
  needy = await app.createClient({ scope, metadata: { organization_required: true } });
  foreign = await app.createClient({ scope, firstParty: false, name: 'Foreign' });
  [ada, bob, eve] = [
    await signedIn(app, web, 'ada'),
    await signedIn(app, web, 'bob'),
    await signedIn(app, web, 'eve'),
  ];
  for (const slug of ['acme', 'globex', 'initech']) {
    ids[slug] = (await makeOrganization(app, slug, ada)).id;
  }
  await join(app, { id: ids.acme ?? '' }, bob, 'member');
  ids.hooli = (await makeOrganization(app, 'hooli', bob)).id;
  ids.gone = (await makeOrganization(app, 'gone', ada)).id;
  ids.closed = (await makeOrganization(app, 'closed', bob)).id;
  await join(app, { id: ids.closed ?? '' }, ada, 'admin');
  await change(app, async (trx) => {
    const member = { organization_id: ids.closed, user_id: ada.user.id };
    await trx('memberships').where(member).update({ status: 'suspended' });
    await trx('organizations').where({ id: ids.gone }).update({ delete_after: trx.fn.now() });
  });
});
afterAll(() => app.stop());

const named = async (params: Record<string, string>) => slugIn(await enter(app, ada, web, params));

describe('an app gets', () => {
  test.each(['acme', 'globex', 'initech'])('exactly %s, by slug and by id', async (slug) => {
    const answer = await enter(app, ada, web, { organization: slug });
    expect(decodeJwt(String(answer.id_token))).toMatchObject({
      org_id: ids[slug],
      org_slug: slug,
      org_name: `The ${slug} company`,
      org_roles: ['owner'],
    });
    expect((await userinfo(app, answer)).claims).toMatchObject({ org_slug: slug });
    expect(await named({ organization: ids[slug] ?? '' })).toBe(slug);
  });

  test('no organization unless it asks, and the list of all by scope', async () => {
    const answer = await enter(app, ada, web, { scope: 'openid organizations' });
    const claims = decodeJwt(String(answer.id_token));
    expect(Object.keys(claims).filter((name) => name.startsWith('org_'))).toEqual([]);
    const listed = ['acme', 'globex', 'initech'].map((slug) => ({
      ...{ id: ids[slug], slug, name: `The ${slug} company`, roles: ['owner'] },
    }));
    expect(claims.organizations).toEqual(listed);
    expect((await userinfo(app, answer)).claims.organizations).toEqual(listed);
    const without = await enter(app, ada, web, { scope: 'openid' });
    expect(decodeJwt(String(without.id_token))).not.toHaveProperty('organizations');
  });

  test('its answer by a pushed request and by the device flow', async () => {
    const params = new URL(authorizationUrl(app, web.client.id, { organization: 'globex' }));
    const pushed = await postAs(`${app.issuer}/par`, web, Object.fromEntries(params.searchParams));
    const { request_uri } = (await pushed.json()) as { request_uri: string };
    const url = `${app.issuer}/authorize?${new URLSearchParams({ client_id: web.client.id, request_uri })}`;
    const page = await ada.visitor.open(url, CALLBACK);
    expect(slugIn(await answerTo(app, web, page))).toBe('globex');

    const device = await app.createClient({ kind: 'native' });
    const fields = { scope: 'openid', organization: 'initech' };
    const asked = await postAs(`${app.issuer}/device/authorize`, device, fields);
    const { device_code, verification_uri_complete } = (await asked.json()) as Record<
      string,
      string
    >;
    let shown = await ada.visitor.open(String(verification_uri_complete));
    for (let step = 0; step < 3 && pageName(shown) !== 'device-done'; step += 1) {
      shown = await ada.visitor.submit(
        shown,
        pageName(shown) === 'consent' ? '/consent' : '/device',
      );
    }
    const tokens = await postAs(`${app.issuer}/token`, device, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: String(device_code),
    });
    expect(slugIn((await tokens.json()) as { id_token: string })).toBe('initech');
  });
});

describe('who may not sign in to it', () => {
  const PAGES: [string, string, RegExp][] = [
    ['is no member', 'hooli', /no such organization/],
    ['made it up', 'no-such-organization', /no such organization/],
    ['is suspended', 'closed', /is suspended/],
    ['is late: it is being deleted', 'gone', /no such organization/],
  ];

  test.each(PAGES)('%s: reads why, and the app is told access_denied', async (_, slug, words) => {
    const page = await authorize(app, ada, web, { organization: slug });
    expect(pageName(page)).toBe('organization-refused');
    expect(page.html).toMatch(words);
    expect(endOf(await ada.visitor.submit(page, '/abort', {}, CALLBACK))).toBe('access_denied');
    const silent = { organization: slug, prompt: 'none' };
    expect(endOf(await authorize(app, ada, web, silent))).toBe('access_denied');
  });

  test('reads the same of one that is there and of one that isn’t', async () => {
    const bare = ({ html }: Page) =>
      html.replace(/interaction\/[\w-]+/g, '').replace(/(nonce|value)="[^"]*"/g, '');
    const there = await authorize(app, eve, web, { organization: 'hooli' });
    const made = await authorize(app, eve, web, { organization: 'made-up' });
    expect(bare(there)).toBe(bare(made));
  });

  test('goes on with another account', async () => {
    const page = await authorize(app, { visitor: eve.visitor }, web, { organization: 'hooli' });
    const login = await eve.visitor.submit(page, '/switch');
    const typed = { identifier: bob.email, password: PASSWORD };
    const back = await eve.visitor.submit(login, '/login', typed, CALLBACK);
    expect(slugIn(await answerTo(app, web, back))).toBe('hooli');
  });

  test.each([
    // A parameter without a value is one that isn't there (RFC 6749 §3.1).
    ['empty: as if nothing was asked', '', 'code'],
    ['far too long: an error for the app', 'a'.repeat(101), 'invalid_request'],
    ['with a NUL: an error page, as in any parameter', 'ac\0me', 'page error'],
  ])('%s', async (_, organization, end) => {
    expect(endOf(await authorize(app, ada, web, { organization }))).toBe(end);
  });
});

describe('an app that leaves it to the person', () => {
  const choose = async (page: Page, person: Person, slug: string) =>
    person.visitor.submit(
      page,
      '/choose-organization',
      { organization: ids[slug] ?? slug },
      CALLBACK,
    );

  test.each([
    ['by its request', () => web, { organization: '*' }],
    ['by its registration', () => needy, {}],
  ])('%s, gets the one they choose', async (_, client, params) => {
    const page = await authorize(app, ada, client(), params);
    expect(pageName(page)).toBe('choose-organization');
    expect(page.html).not.toMatch(/closed|gone|hooli/);
    const back = await choose(page, ada, 'initech');
    expect(slugIn(await answerTo(app, client(), back))).toBe('initech');
  });

  test.each(['hooli', 'closed', 'gone', 'not-an-id'])('can’t be answered by %s', async (slug) => {
    const page = await authorize(app, ada, web, { organization: '*' });
    const again = await choose(page, ada, slug);
    expect(pageName(again)).toBe('choose-organization');
    expect(again.html).toContain('role="alert"');
  });

  test('doesn’t hold up who has one', async () => {
    const person = await signedIn(app, web, 'one');
    await join(app, { id: ids.acme ?? '' }, person, 'member');
    expect(slugIn(await enter(app, person, web, { organization: '*' }))).toBe('acme');
  });

  test('tells who has none', async () => {
    const person = await signedIn(app, web, 'none');
    const page = await authorize(app, person, needy, {});
    expect(pageName(page)).toBe('organization-refused');
    expect(page.html).toMatch(/don’t belong to any/);
  });

  test('isn’t answered silently', async () => {
    const silent = { organization: '*', prompt: 'none' };
    expect(endOf(await authorize(app, ada, web, silent))).toBe('interaction_required');
  });

  test('asks after the password, of who has to sign in', async () => {
    const visitor = createVisitor();
    const url = authorizationUrl(app, web.client.id, { organization: '*' });
    const typed = { identifier: ada.email, password: PASSWORD };
    const page = await visitor.signIn(url, CALLBACK, typed);
    expect(pageName(page)).toBe('choose-organization');
    const back = await choose(page, { ...ada, visitor }, 'globex');
    expect(slugIn(await answerTo(app, web, back))).toBe('globex');
  });

  test.each([
    ['gave their password', false],
    ['was signed in', true],
  ])('asks anew who goes on in place of one who %s and chose', async (_, before) => {
    const visitor = createVisitor();
    const url = authorizationUrl(app, web.client.id, { organization: '*' });
    const typed = { identifier: ada.email, password: PASSWORD };
    if (before) await visitor.signIn(authorizationUrl(app, web.client.id), CALLBACK, typed);
    const acme = app.runtime.deps.db('organizations').where({ id: ids.acme });
    await acme.clone().update({ mfa_required: true });
    const page = before ? await visitor.open(url) : await visitor.signIn(url, CALLBACK, typed);
    const more = await choose(page, { ...ada, visitor }, 'acme');
    expect(pageName(more)).toBe('enrol-mfa');
    const { hidden } = findForm(page, '/choose-organization');
    const next = await visitor.open(
      page.url.replace(/(\/interaction\/[\w-]+).*/, '$1/login'),
      CALLBACK,
      {
        method: 'POST',
        body: new URLSearchParams({ ...hidden, identifier: bob.email, password: PASSWORD }),
        headers: { origin: new URL(page.url).origin },
      },
    );
    await acme.clone().update({ mfa_required: false });
    expect(pageName(next)).toBe('choose-organization');
    const back = await choose(next, { ...bob, visitor }, 'hooli');
    expect(slugIn(await answerTo(app, web, back))).toBe('hooli');
  });
});

test('what was agreed to for one organization says nothing of another, or of none', async () => {
  const open = async (organization?: string) => {
    const params = organization === undefined ? {} : { organization };
    return ada.visitor.open(authorizationUrl(app, foreign.client.id, params), CALLBACK);
  };
  const asked = await open('acme');
  expect(pageName(asked)).toBe('consent');
  expect(asked.html).toContain('The acme company');
  const back = await ada.visitor.submit(asked, '/consent', {}, CALLBACK);
  expect(slugIn(await answerTo(app, foreign, back))).toBe('acme');
  expect(endOf(await open('acme'))).toBe('code');
  expect(pageName(await open('globex'))).toBe('consent');
  expect(pageName(await open())).toBe('consent');
  // In another browser the person is remembered, and so is for which organization.
  const other = createVisitor();
  const url = authorizationUrl(app, foreign.client.id, { organization: 'acme' });
  const typed = { identifier: ada.email, password: PASSWORD };
  expect(callbackParams((await other.signIn(url, CALLBACK, typed)).url)).toHaveProperty('code');
});
