import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { turnAppOn } from '../support/authenticator-app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';

const GRACE = { name: 'Grace Hopper', email: 'grace@example.com', new_password: PASSWORD };

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());
beforeEach(async () => {
  await users().delete();
});

const users = () => app.runtime.deps.db('users');

function newLink(): Promise<string> {
  const { deps } = app.runtime;
  return transaction(deps.db, (trx) => createSetupLink(trx, deps, SYSTEM, app.issuer));
}

async function openSetup(): Promise<Page> {
  const page = await createVisitor().open(await newLink());
  expect(pageName(page)).toBe('setup');
  return page;
}

function send(page: Page, fields: Record<string, string>): Promise<Page> {
  const { pathname } = new URL(page.url);
  return createVisitor().submit(page, pathname, fields);
}

function expectDeadLink(page: Page): void {
  expect(page.status).toBe(400);
  expect(pageName(page)).toBe('error');
  expect(page.html).toContain('This link no longer works');
}

describe('the setup link', () => {
  test('creates one administrator, who can sign in, and stops working', async () => {
    const page = await openSetup();
    const done = await send(page, GRACE);
    expect(pageName(done)).toBe('setup-done');
    expect(done.html).toContain(`You can now sign in as <bdi>${GRACE.email}</bdi>`);
    expect(await users()).toMatchObject([
      { email: GRACE.email, name: GRACE.name, administrator: true, status: 'active' },
    ]);
    expectDeadLink(await createVisitor().open(page.url));
    expectDeadLink(await send(page, { ...GRACE, email: 'second@example.com' }));
    expect(await users()).toHaveLength(1);
    expect(pageName(await send(page, GRACE))).toBe('setup-done');

    const { client } = await app.createClient();
    const visitor = createVisitor();
    const url = authorizationUrl(app, client.id);
    const choice = await visitor.signIn(url, CALLBACK, { identifier: GRACE.email });
    const back = await turnAppOn(visitor, choice, CALLBACK);
    expect(back.page.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test('says that a second factor is next', async () => {
    const done = await send(await openSetup(), GRACE);
    expect(done.html).toContain('turn on a second factor');
  });

  test('is recorded without being told', async () => {
    const page = await openSetup();
    await send(page, GRACE);
    const token = new URL(page.url).pathname.split('/').at(-1) ?? '';
    const { db } = app.runtime.deps;
    const events = await db('audit_events').whereLike('type', 'setup.%').orderBy('id', 'desc');
    expect(events.slice(0, 2).map(({ type }) => type)).toEqual([
      'setup.completed',
      'setup.link_created',
    ]);
    expect(JSON.stringify(events)).not.toContain(token);
    expect(app.logs.join('')).not.toContain(token);
    expect(JSON.stringify(await db('one_time_codes'))).not.toContain(token);
  });

  test('ends after a day', async () => {
    const page = await openSetup();
    const { db } = app.runtime.deps;
    const { hours } = await db('one_time_codes')
      .select(db.raw('extract(epoch FROM expires_at - created_at)::int / 3600 AS hours'))
      .first();
    expect(hours).toBe(24);
    await db('one_time_codes').update({ expires_at: db.raw("now() - interval '1 second'") });
    expectDeadLink(await createVisitor().open(page.url));
    expectDeadLink(await send(page, GRACE));
    expect(await users()).toEqual([]);
  });

  test('ends when a newer one is made', async () => {
    const old = await openSetup();
    const page = await openSetup();
    expectDeadLink(await createVisitor().open(old.url));
    expectDeadLink(await send(old, GRACE));
    expect(pageName(await send(page, GRACE))).toBe('setup-done');
  });

  test('creates one administrator of ten who race', async () => {
    const page = await openSetup();
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        send(page, { ...GRACE, email: `grace${i}@example.com` }),
      ),
    );
    const names = results.map(pageName).sort();
    expect(names).toEqual([...Array(9).fill('error'), 'setup-done']);
    for (const result of results.filter((r) => pageName(r) === 'error')) expectDeadLink(result);
    expect(await users()).toHaveLength(1);
  });

  test('leads ten presses of one button to one place', async () => {
    const page = await openSetup();
    const results = await Promise.all(Array.from({ length: 10 }, () => send(page, GRACE)));
    expect(results.map(pageName)).toEqual(Array(10).fill('setup-done'));
    expect(await users()).toHaveLength(1);
  });

  test.each(['', 'x', '../setup', 'a'.repeat(5000), '%F0%9F%92%A9'])('is not %j', async (token) => {
    const page = await createVisitor().open(`${app.issuer}/setup/${token}`);
    expect(page.status).toBeGreaterThanOrEqual(400);
    expect(page.status).toBeLessThan(500);
    expect(pageName(page)).toBe('error');
  });
});

describe('what was typed', () => {
  test.each([
    ['email_invalid', { ...GRACE, email: 'grace@' }, 'not an email address'],
    ['email_invalid', { ...GRACE, email: '' }, 'not an email address'],
    ['email_invalid', { ...GRACE, email: 'a@b.example,c@d.example' }, 'not an email address'],
    [
      'too short',
      { ...GRACE, new_password: 'kettle-orbits' },
      'too short. Use at least 15 characters',
    ],
    ['none', { ...GRACE, new_password: '' }, 'too short'],
    ['too long', { ...GRACE, new_password: 'x'.repeat(257) }, 'too long'],
    ['common', { ...GRACE, new_password: 'passwordpassword' }, 'easy to guess'],
    ['context', { ...GRACE, new_password: 'grace hopper 1906' }, 'contains your name'],
    ['context', { ...GRACE, new_password: 'plinto-plinto-1' }, 'the name of this service'],
  ])('is kept when it is wrong, except the password: %s', async (_, fields, words) => {
    const page = await openSetup();
    const again = await send(page, fields);
    expect(again.status).toBe(422);
    expect(pageName(again)).toBe('setup');
    expect(alertText(again)).toContain(words);
    expect(again.html).toContain(`value="${GRACE.name}"`);
    if (fields.email !== '') expect(again.html).toContain(`value="${fields.email}"`);
    if (fields.new_password !== '') expect(again.html).not.toContain(fields.new_password);
    expect(await users()).toEqual([]);
    expect(pageName(await send(again, GRACE))).toBe('setup-done');
  });

  test('can’t take the address of somebody else', async () => {
    const kept = await app.createUser({ email: 'Grace@example.com' });
    const again = await send(await openSetup(), GRACE);
    expect(again.status).toBe(422);
    expect(alertText(again)).toContain('already exists');
    expect(await users()).toMatchObject([{ id: kept.id, administrator: false }]);
  });

  test('is text, whatever it is', async () => {
    const name = '"><script>alert(1)</script>';
    const again = await send(await openSetup(), { ...GRACE, name, new_password: 'short' });
    expect(again.html).not.toContain('<script>alert');
    expect(again.html).toContain('&lt;script&gt;');
  });
});

describe('security 8: a link of one purpose', () => {
  test('opens nothing else', async () => {
    const page = await openSetup();
    const token = new URL(page.url).pathname.split('/').at(-1) ?? '';
    const visitor = createVisitor({ accept: 'application/json' });
    const authorization = { authorization: `Bearer ${token}` };
    for (const [path, init] of [
      [`/interaction/${token}`, {}],
      ['/userinfo', { headers: authorization }],
      ['/register', { method: 'POST', headers: authorization, body: '{}' }],
    ] as const) {
      const { status } = await visitor.request(`${app.issuer}${path}`, init);
      expect([400, 401], path).toContain(status);
    }
    expect(pageName(await send(page, GRACE))).toBe('setup-done');
  });

  test('is opened by nothing else', async () => {
    const { client } = await app.createClient();
    const login = await createVisitor().open(authorizationUrl(app, client.id));
    const uid = new URL(login.url).pathname.split('/').at(-1) ?? '';
    expectDeadLink(await createVisitor().open(`${app.issuer}/setup/${uid}`));
    const { db } = app.runtime.deps;
    await newLink();
    const { hash } = await db('one_time_codes').first('hash');
    for (const encoding of ['hex', 'base64url'] as const) {
      expectDeadLink(await createVisitor().open(`${app.issuer}/setup/${hash.toString(encoding)}`));
    }
    const link = await newLink();
    await db('one_time_codes').update({ purpose: 'something-else' });
    expectDeadLink(await createVisitor().open(link));
  });
});

describe('security 10: the form', () => {
  test.each([
    ['without a token', { csrf: '' }, {}],
    ['with a token of another link', { csrf: 'other' }, {}],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['from another origin', {}, { origin: 'https://evil.example' }],
  ])('%s is refused', async (_, fields, headers) => {
    const other = findForm(await openSetup(), '').hidden.csrf;
    const page = await openSetup();
    const { action, hidden } = findForm(page, '');
    const csrf = 'csrf' in fields && fields.csrf === 'other' ? { csrf: other ?? '' } : fields;
    const response = await fetch(action, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ ...hidden, ...GRACE, ...csrf }),
    });
    expect(response.status).toBe(403);
    expect(await users()).toEqual([]);
  });
});
