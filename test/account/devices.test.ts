import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { pageName } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

const PAGE = '/account/devices';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

let app: TestApp;
let count = 0;

beforeAll(async () => {
  app = await startApp({ MFA_REMEMBER_DAYS: '30' });
});
afterAll(() => app.stop());

/** Somebody new with so many remembered browsers, at the list of them. */
async function atList(browsers: number) {
  count += 1;
  const email = `keeper${count}@example.com`;
  const user = await app.createUser({ email });
  const { db } = app.runtime.deps;
  const ids = Array.from({ length: browsers }, () => randomUUID());
  for (const id of ids)
    await db('trusted_devices').insert({
      id,
      user_id: user.id,
      token_hash: Buffer.from(id),
      ip: '198.51.100.7',
      user_agent: FIREFOX,
      place: 'Lisbon, Portugal',
      expires_at: db.raw("now() + interval '30 days'"),
    });
  return { user, ids, ...(await openAccount(app, email, PAGE)) };
}

const living = async (userId: string): Promise<string[]> => {
  const { db } = app.runtime.deps;
  const rows = await db('trusted_devices')
    .where({ user_id: userId })
    .where('expires_at', '>', db.fn.now());
  return rows.map(({ id }) => id);
};

test('the page says what is remembered, and that nothing is', async () => {
  const { page } = await atList(1);
  expect(pageName(page)).toBe('account-devices');
  for (const fact of ['Firefox · Linux', 'Lisbon, Portugal', '198.51.100.7'])
    expect(page.html).toContain(fact);
  expect(page.html).not.toContain('This browser');
  const { page: empty } = await atList(0);
  expect(empty.html).toContain('No browser is remembered');
});

test('one whose time is over is not listed', async () => {
  const { user, ids, visitor } = await atList(2);
  const { db } = app.runtime.deps;
  await db('trusted_devices').where({ id: ids[1] }).update({ expires_at: db.fn.now() });
  const page = await visitor.open(`${app.issuer}${PAGE}`);
  expect(page.html.match(/Firefox · Linux/g)).toHaveLength(1);
  expect(await living(user.id)).toEqual([ids[0]]);
});

test('security 34: one is forgotten, once however often that is asked', async () => {
  const { user, ids, visitor, page } = await atList(2);
  const [device = ''] = ids;
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => visitor.submit(page, PAGE, { device })),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}${PAGE}?done=device`]),
  );
  expect(await living(user.id)).toEqual([ids[1]]);
  expect(await eventsOf(app, user.id)).toEqual(['device.forgotten']);
});

test('all are forgotten, once', async () => {
  const { user, visitor, page } = await atList(3);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => visitor.submit(page, PAGE, { device: 'all' })),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}${PAGE}?done=devices`]),
  );
  expect(await living(user.id)).toEqual([]);
  const events = await app.runtime.deps
    .db('audit_events')
    .where({ user_id: user.id, type: 'device.forgotten' });
  expect(events.map(({ data }) => data)).toEqual([{ count: 3 }]);
});

test('security 24: those of others are not found, nor is nonsense', async () => {
  const other = await atList(1);
  const { visitor, page, user } = await atList(1);
  for (const device of [String(other.ids[0]), randomUUID(), 'nonsense', '']) {
    expect((await visitor.submit(page, PAGE, { device })).status).toBe(404);
  }
  expect(await living(other.user.id)).toEqual(other.ids);
  expect(await living(user.id)).toHaveLength(1);
});

test('the list of ways to sign in leads there, and says how many', async () => {
  const { visitor } = await atList(2);
  const page = await visitor.open(`${app.issuer}/account/password`);
  expect(page.html).toContain('Remembered: 2');
  expect(page.html).toContain(`href="${PAGE}"`);
});
