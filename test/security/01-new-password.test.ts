import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { hashNewPassword, setPassword } from '../../src/password/set-password.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const TEMPORARY = 'walnut-harbor-thimble-77';
const OWN = 'mossy turnip lantern 9';

let app: TestApp;
let ada: User;
let clientId: string;
let foreignId: string;

beforeAll(async () => {
  app = await startApp();
  ada = await app.createUser();
  clientId = (await app.createClient()).client.id;
  foreignId = (await app.createClient({ firstParty: false })).client.id;
});
afterAll(() => app.stop());
beforeEach(() => setTemporary(TEMPORARY));

const db = () => app.runtime.deps.db;
const stored = () => db()('passwords').where({ user_id: ada.id }).first('hash', 'must_change');
const events = (type: string) => db()('audit_events').where({ user_id: ada.id, type });
const codes = () => db()('oidc_artifacts').where({ model: 'AuthorizationCode' });

async function setTemporary(password: string): Promise<void> {
  const hash = await hashNewPassword(app.hasher, password);
  await transaction(db(), (trx) => setPassword(trx, SYSTEM, ada, hash, { mustChange: true }));
}

/** At the page that asks for another password. */
async function arrive(visitor: Visitor, client = clientId): Promise<Page> {
  const url = authorizationUrl(app, client);
  const page = await visitor.signIn(url, CALLBACK, { password: TEMPORARY });
  expect(pageName(page)).toBe('new-password');
  return page;
}

const choose = (visitor: Visitor, page: Page, password: string) =>
  visitor.submit(page, '/new-password', { new_password: password }, CALLBACK);

const isSignedIn = (page: Page) => page.url.startsWith(`${CALLBACK}?code=`);

describe('a password that must be changed', () => {
  test('leads to choosing another, without script, and then on to the app', async () => {
    const visitor = createVisitor();
    const page = await arrive(visitor);
    expect(page.html).toContain('ada@example.com');
    expect(isSignedIn(await choose(visitor, page, OWN))).toBe(true);
    expect((await stored()).must_change).toBe(false);

    const again = (password: string) =>
      createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, { password });
    expect(pageName(await again(TEMPORARY))).toBe('login');
    expect(isSignedIn(await again(OWN))).toBe(true);
  });

  test.each([
    ['the same once more', TEMPORARY, 'the password you have now'],
    ['a short one', 'too short', 'at least 15 characters'],
    ['none', '', 'at least 15 characters'],
    ['one made of their address', 'ada@example.com-1', 'your email address'],
    ['a common one', 'passwordpassword', 'easy to guess'],
  ])('is not replaced by %s, and the page says why', async (_, password, says) => {
    const visitor = createVisitor();
    const before = await stored();
    const page = await choose(visitor, await arrive(visitor), password);
    expect(pageName(page)).toBe('new-password');
    expect(alertText(page)).toContain(says);
    expect(await stored()).toEqual(before);
    expect(isSignedIn(await choose(visitor, page, OWN))).toBe(true);
  });

  test('is nobody’s sign-in before it is changed, and one after', async () => {
    const before = await events('sign_in.succeeded');
    const visitor = createVisitor();
    const page = await arrive(visitor);
    expect(await events('sign_in.succeeded')).toHaveLength(before.length);
    await choose(visitor, page, OWN);
    expect(await events('sign_in.succeeded')).toHaveLength(before.length + 1);
  });

  test('security 34: ten of the same form change it once and go on to the same place', async () => {
    const visitor = createVisitor();
    const page = await arrive(visitor);
    const [sets, mails] = await Promise.all([events('password.set'), events('sign_in.succeeded')]);
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => choose(visitor, page, OWN).catch((error) => error)),
    );
    expect(await events('password.set')).toHaveLength(sets.length + 1);
    expect(await events('sign_in.succeeded')).toHaveLength(mails.length + 1);
    for (const { status } of pages) expect(status).toBeLessThan(500);
    expect(pages.filter(isSignedIn).length).toBeGreaterThan(0);
  });

  test('security 1: proves nobody in another tab once it was changed in one', async () => {
    const [first, second] = [createVisitor(), createVisitor()];
    const [page, other] = [await arrive(first), await arrive(second)];
    expect(isSignedIn(await choose(first, page, OWN))).toBe(true);
    const refused = await choose(second, other, 'gravel orbit mandolin 3');
    expect(pageName(refused)).toBe('login');
    expect(alertText(refused)).toContain('has been changed');
    const fields = { identifier: 'ada@example.com', password: OWN };
    expect(isSignedIn(await second.submit(refused, '/login', fields, CALLBACK))).toBe(true);
  });

  test('security 1: proves nobody once an administrator set another', async () => {
    const visitor = createVisitor();
    const page = await arrive(visitor);
    await setTemporary('gravel orbit mandolin 3');
    const { hash } = await stored();
    expect(pageName(await choose(visitor, page, OWN))).toBe('login');
    expect((await stored()).hash).toBe(hash);
  });

  test('security 7: proves nobody who is suspended meanwhile', async () => {
    const visitor = createVisitor();
    const page = await arrive(visitor);
    await db()('users').where({ id: ada.id }).update({ status: 'suspended' });
    const { hash } = await stored();
    const refused = await choose(visitor, page, OWN);
    await db()('users').where({ id: ada.id }).update({ status: 'active' });
    expect(pageName(refused)).toBe('login');
    expect((await stored()).hash).toBe(hash);
  });
});

describe('security 1: the step of choosing a password is not skipped', () => {
  test.each(['', '/login', '/password', '/consent', '/register', '/code', '/reset-password'])(
    'security 1: by looking at %j instead',
    async (path) => {
      const visitor = createVisitor();
      const page = await arrive(visitor);
      const base = page.url.replace(/\/new-password$/, '');
      expect(pageName(await visitor.open(`${base}${path}`, CALLBACK))).toBe('new-password');
    },
  );

  test.each([
    ['consent', {}],
    ['password', { password: TEMPORARY }],
    ['login', { identifier: 'ada@example.com', password: TEMPORARY }],
    ['register', { email: 'ada@example.com', new_password: OWN }],
    ['code', { code: '12345678' }],
  ])('security 1: by sending the form of %s', async (step, fields) => {
    const before = await codes();
    const visitor = createVisitor();
    const page = await arrive(visitor, foreignId);
    const base = page.url.replace(/\/new-password$/, '');
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    await visitor.request(`${base}/${step}`, {
      method: 'POST',
      body: new URLSearchParams({ csrf, ...fields }),
    });
    expect(pageName(await visitor.open(base, CALLBACK))).toBe('new-password');
    const resumed = base.replace('/interaction/', '/authorize/');
    expect((await visitor.open(resumed, CALLBACK)).url).not.toContain('code=');
    expect(await codes()).toHaveLength(before.length);
  });

  test('security 1: by another request in the same browser', async () => {
    const visitor = createVisitor();
    await arrive(visitor);
    expect(pageName(await visitor.open(authorizationUrl(app, clientId), CALLBACK))).toBe('login');
    const silent = await visitor.open(
      authorizationUrl(app, clientId, { prompt: 'none' }),
      CALLBACK,
    );
    expect(silent.url).toContain('error=login_required');
  });

  test('security 1: the form of the step changes nothing for who didn’t come to it', async () => {
    const visitor = createVisitor();
    const before = await stored();
    const page = await visitor.open(authorizationUrl(app, clientId));
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    const response = await visitor.request(`${page.url}/new-password`, {
      method: 'POST',
      body: new URLSearchParams({ csrf, new_password: OWN }),
    });
    expect(response.status).toBe(303);
    expect(pageName(await visitor.open(page.url, CALLBACK))).toBe('login');
    expect(await stored()).toEqual(before);
  });
});

test('security 8: changing it ends what was signed in before', async () => {
  await db()('passwords').where({ user_id: ada.id }).update({ must_change: false });
  const other = createVisitor();
  const url = authorizationUrl(app, clientId, { scope: 'openid offline_access' });
  expect(isSignedIn(await other.signIn(url, CALLBACK, { password: TEMPORARY }))).toBe(true);
  await db()('passwords').where({ user_id: ada.id }).update({ must_change: true });

  const visitor = createVisitor();
  const page = await arrive(visitor);
  expect(isSignedIn(await other.open(authorizationUrl(app, clientId), CALLBACK))).toBe(true);
  expect(isSignedIn(await choose(visitor, page, OWN))).toBe(true);
  expect(isSignedIn(await visitor.open(authorizationUrl(app, clientId), CALLBACK))).toBe(true);
  const ended = await other.open(authorizationUrl(app, clientId), CALLBACK);
  expect(pageName(ended)).toBe('login');
});
