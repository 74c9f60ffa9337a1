import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AccountParts } from '../../src/account/account.ts';
import { accountRoutes } from '../../src/account/routes.ts';
import { createFactors, type FactorsParts } from '../../src/app/factors.ts';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { openAccount, signInAgo } from './account.ts';

/** Paths of the router, so that a page is covered the day it is written. */
function pathsOf(method: 'GET' | 'POST'): string[] {
  // Nothing is asked of these until there is a request.
  const mfa = { factors: ['passkey', 'totp'], recoveryDelayHours: 0 };
  const parts = { deps: {}, basePath: '', renderer: { languages: [] }, mfa };
  const config = { mfa, passkeys: {} };
  const { account: factors } = createFactors({ ...parts, config } as unknown as FactorsParts);
  const [router] = accountRoutes({ ...parts, factors } as unknown as AccountParts);
  const paths = (router?.stack ?? [])
    .filter(({ methods }) => methods.includes(method))
    .map(({ path }) => String(path).replace(/\/$/, ''));
  const elsewhere = ['/account/callback', '/account/sign-out', '/account/deleted'];
  return [...new Set(paths)].filter((path) => !path.includes('{') && !elsewhere.includes(path));
}

const PAGES = pathsOf('GET');
const FORMS = pathsOf('POST');
const CREDENTIALS = { identifier: 'ada@example.com', password: PASSWORD };
/** Minutes ago that a sign-in isn't fresh any more, in seconds. */
const STALE = 11 * 60;

let app: TestApp;
let userId: string;
const ids: Record<string, string> = { organization: 'acme' };

beforeAll(async () => {
  app = await startApp({ ORGANIZATION_CREATION: 'everyone' });
  userId = (await app.createUser()).id;
  ids.user = userId;
  ids.role = BUILTIN_ROLES.member;
  ids.invitation = userId;
  const { id: ownerId } = await app.createUser({ email: 'other@example.com' });
  await transaction(app.runtime.deps.db, async (trx) => {
    await createOrganization(trx, SYSTEM, { name: 'Acme', ownerId: userId });
    const other = await createOrganization(trx, SYSTEM, { name: 'Other', ownerId });
    if (!other.ok) throw new Error(other.reason);
    await trx('invitations').insert({
      ...{ id: userId, organization_id: other.organization.id, email: 'ada@example.com' },
      ...{ token_hash: 'a hash', mailed: true, invited_by: ownerId },
      expires_at: trx.raw("now() + interval '1 day'"),
    });
  });
});

/** A path of the router as one that is there: of an organization of hers. */
const at = (path: string) => path.replace(/:(\w+)/g, (all, name) => ids[name] ?? all);

afterAll(() => app.stop());

test('there are pages and forms', () => {
  for (const path of [
    '/account',
    '/account/email',
    '/account/password/change',
    '/account/sessions',
  ]) {
    expect(PAGES).toContain(path);
  }
  expect(FORMS).toContain('/account/picture');
});

/** Pages that say what was done, to who did it. */
const AFTER = /\/done$/;

describe('somebody who is signed out', () => {
  test.each(PAGES.filter((path) => !AFTER.test(path)))(
    'is sent to sign in from %s, and back to it',
    async (path) => {
      const visitor = createVisitor();
      const url = `${app.issuer}${at(path)}?kept=1`;
      const login = await visitor.open(url);
      expect(pageName(login)).toBe('login');
      const back = await visitor.submit(login, '/login', CREDENTIALS, url);
      expect(back.url).toBe(url);
      expect((await visitor.open(url)).status).toBe(200);
    },
  );

  test.each(FORMS)('is sent to sign in from the form %s, and to its page', async (path) => {
    const visitor = createVisitor();
    const answer = await visitor.request(`${app.issuer}${at(path)}`, {
      method: 'POST',
      body: new URLSearchParams({ csrf: 'from-before' }),
    });
    expect(answer.status).toBe(303);
    const next = new URL(String(answer.headers.get('location')));
    expect(`${next.origin}${next.pathname}`).toBe(`${app.issuer}/authorize`);
    expect(PAGES.map(at)).toContain(next.searchParams.get('state'));
  });
});

describe('security 12: back from signing in, nobody is sent anywhere else:', () => {
  test.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/account.evil.example',
    '/accounts',
    'account',
    'javascript:alert(1)',
    '/account/../authorize?client_id=x',
    '/account/%2e%2e/setup',
    '',
  ])('%j', async (state) => {
    const query = new URLSearchParams({ state });
    const answer = await fetch(`${app.issuer}/account/callback?${query}`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/account']);
  });

  test('not even through line ends', async () => {
    const query = 'state=%2Faccount%0d%0aSet-Cookie:%20a=b';
    const answer = await fetch(`${app.issuer}/account/callback?${query}`, { redirect: 'manual' });
    expect(answer.headers.get('set-cookie')).toBeNull();
    const url = new URL(String(answer.headers.get('location')), app.issuer);
    expect(url.origin).toBe(app.issuer);
  });
});

describe('somebody who signed in a while ago', () => {
  const DANGEROUS = [
    '/account/message-codes',
    '/account/email',
    '/account/phone',
    '/account/password/change',
    '/account/passkeys',
    '/account/data/download',
    '/account/delete',
    '/account/totp',
    '/account/recovery-codes',
    '/account/recovery-codes/new',
    '/account/organizations/:organization/transfer',
    '/account/organizations/:organization/delete',
  ];
  let visitor: Visitor;

  beforeAll(async () => {
    ({ visitor } = await openAccount(app, 'ada@example.com'));
  });

  const passwords = () => app.runtime.deps.db('passwords').where({ user_id: userId });

  const confirm = (page: Page, stopAt?: string) =>
    visitor.submit(page, '/password', { password: PASSWORD }, stopAt);

  test.each(DANGEROUS)('is asked again before %s, and comes back to it', async (path) => {
    await signInAgo(app, userId, STALE);
    const url = `${app.issuer}${at(path)}`;
    const asked = await visitor.open(url);
    expect(pageName(asked)).toBe('password');
    expect((await confirm(asked)).url).toBe(url);
    // Once for all of them.
    expect((await visitor.open(url)).url).toBe(url);
  });

  test('is asked again when sending a form that was open since, which does nothing', async () => {
    await signInAgo(app, userId, STALE);
    const form = `${app.issuer}/account/password/change`;
    const fresh = await confirm(await visitor.open(form));
    await signInAgo(app, userId, STALE);
    const before = await passwords();
    const fields = { new_password: 'copper-lantern-walks-north-77' };
    const asked = await visitor.submit(fresh, '/account/password/change', fields);
    expect(pageName(asked)).toBe('password');
    expect(await passwords()).toEqual(before);
    expect((await confirm(asked)).url).toBe(form);
  });

  test.each(
    PAGES.filter(
      (path) =>
        !DANGEROUS.includes(path) && !AFTER.test(path) && !/\/(email|phone)\/code$/.test(path),
    ),
  )('is not asked again before %s', async (path) => {
    await signInAgo(app, userId, STALE);
    const page = await visitor.open(`${app.issuer}${at(path)}`);
    expect([page.status, page.url]).toEqual([200, `${app.issuer}${at(path)}`]);
  });

  test('who gives up is not asked for ever', async () => {
    await signInAgo(app, userId, STALE);
    const asked = await visitor.open(`${app.issuer}/account/email`);
    const home = await visitor.submit(asked, '/abort');
    expect([home.url, pageName(home)]).toEqual([`${app.issuer}/`, 'home']);
  });
});

test('where no messages can be sent, pages say so and have no form that asks for one', async () => {
  const { visitor } = await openAccount(app, 'ada@example.com');
  for (const [path, words] of [
    ['/account/email', 'sends no mail'],
    ['/account/phone', 'sends no text messages'],
  ] as const) {
    const page = await visitor.open(`${app.issuer}${at(path)}`);
    expect(page.html).toContain(words);
    expect(() => findForm(page, path)).toThrow('no form');
  }
});

test('security 7: every page and form is closed to somebody who is suspended', async () => {
  const user = await app.createUser({ email: 'sue@example.com' });
  const { visitor, page } = await openAccount(app, 'sue@example.com');
  const { hidden } = findForm(page, '/sign-out');
  await transaction(app.runtime.deps.db, (trx) => suspendUser(trx, SYSTEM, user));
  for (const path of PAGES) {
    expect(pageName(await visitor.open(`${app.issuer}${at(path)}`)), path).toBe('login');
  }
  for (const path of FORMS) {
    const body = new URLSearchParams({ ...hidden, nickname: 'Sue' });
    const answer = await visitor.request(`${app.issuer}${at(path)}`, { method: 'POST', body });
    expect(answer.headers.get('location'), path).toContain('/authorize?');
  }
});
