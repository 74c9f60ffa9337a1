import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReader, type Messages, startMessages } from '../one-time-codes/message-codes.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { alertText, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

const PAGE = '/account/message-codes';

let messages: Messages;
let app: TestApp;
let count = 0;

beforeAll(async () => {
  messages = await startMessages();
  app = await startApp({ ...messages.env, TRUST_PROXY: '1' });
});
afterAll(async () => {
  await app.stop();
  await messages.stop();
});

type Person = Parameters<typeof createReader>[1];

/** Somebody new at the page, past the code that they are asked for if they have a factor. */
async function atPage(input: Person = {}, path = PAGE) {
  count += 1;
  const email = `sender${count}@example.com`;
  const phone = `+4479462${String(count).padStart(5, '0')}`;
  const user = await createReader(app, { email, phone, ...input });
  const headers = { 'x-forwarded-for': `198.51.100.${count}` };
  const opened = await openAccount(app, email, path, headers);
  const { visitor } = opened;
  const page =
    pageName(opened.page) === 'sms-code'
      ? await giveCode(visitor, opened.page, phone)
      : opened.page;
  return { user, email, phone, visitor, page };
}

async function giveCode(visitor: Visitor, page: Page, phone: string): Promise<Page> {
  const before = messages.count(phone);
  const sent = await visitor.submit(page, '/send-sms-code');
  return visitor.submit(sent, '/sms-code', { code: await messages.code(phone, before) });
}

const factorsOf = async (userId: string): Promise<string[]> =>
  (await app.runtime.deps.db('users').where({ id: userId }).first('factors')).factors;

const turn = (channel: string, wish: string) => ({ channel, turn: wish });

/** The hidden fields of the form of one of the two. */
function fieldsOf(page: Page, channel: string): Record<string, string> {
  const form = page.html.split('<form').find((part) => part.includes(`value="${channel}"`)) ?? '';
  return Object.fromEntries(
    [...form.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
}

test('codes by message are turned on and off, which is recorded and mailed', async () => {
  const { user, email, phone, visitor, page } = await atPage();
  expect(pageName(page)).toBe('account-message-codes');
  expect(page.html).toContain(phone);
  expect(page.html).toContain(email);
  expect(fieldsOf(page, 'sms')).toMatchObject(turn('sms', 'on'));
  const on = await visitor.submit(page, PAGE, turn('sms', 'on'));
  expect(on.url).toBe(`${app.issuer}${PAGE}?done=message_codes_on`);
  expect(await factorsOf(user.id)).toEqual(['sms']);
  expect(fieldsOf(on, 'sms')).toMatchObject(turn('sms', 'off'));
  const off = await visitor.submit(on, PAGE, turn('sms', 'off'));
  expect(off.url).toBe(`${app.issuer}${PAGE}?done=message_codes_off`);
  expect(await factorsOf(user.id)).toEqual([]);
  expect(await eventsOf(app, user.id)).toEqual(['factor.added', 'factor.removed']);
  await expect.poll(() => messages.mailsTo(email), { timeout: 15_000 }).toBe(2);
});

test('security 34: a form sent ten times turns them on once', async () => {
  const { user, visitor, page } = await atPage();
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => visitor.submit(page, PAGE, turn('email', 'on'))),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}${PAGE}?done=message_codes_on`]),
  );
  expect(await eventsOf(app, user.id)).toEqual(['factor.added']);
});

test.each([
  ['sms', { phone_number_verified_at: null }, '/account/phone'],
  ['email', { email_verified_at: null }, '/account/email'],
])('%s is only sent to what is proven: the page leads there', async (channel, change, link) => {
  const { user, visitor, page } = await atPage();
  await app.runtime.deps.db('users').where({ id: user.id }).update(change);
  const refused = await visitor.submit(page, PAGE, turn(channel, 'on'));
  expect([refused.status, alertText(refused)]).toEqual([
    422,
    expect.stringContaining('isn’t possible'),
  ]);
  expect(refused.html).toContain(`href="${link}"`);
  expect(await factorsOf(user.id)).toEqual([]);
});

test.each([
  ['another channel', turn('fax', 'on')],
  ['something else to do', turn('sms', 'toggle')],
  ['nothing', turn('', '')],
])('security 25: a form that asks for %s changes nothing', async (_, fields) => {
  const { user, visitor, page } = await atPage();
  expect((await visitor.submit(page, PAGE, fields)).status).toBe(422);
  expect(await factorsOf(user.id)).toEqual([]);
});

test('an administrator keeps their last second factor', async () => {
  const { user, visitor, page } = await atPage({ administrator: true, channels: ['sms'] });
  const refused = await visitor.submit(page, PAGE, turn('sms', 'off'));
  expect([refused.status, alertText(refused)]).toEqual([
    422,
    expect.stringContaining('your only one'),
  ]);
  const kept = await visitor.submit(
    await visitor.open(`${app.issuer}/account/phone`),
    '/phone/remove',
  );
  expect([kept.status, alertText(kept)]).toEqual([
    422,
    expect.stringContaining('only second factor'),
  ]);
  expect(await factorsOf(user.id)).toEqual(['sms']);
});

test('without the number no codes are sent there: that factor goes with it, and is told', async () => {
  const { user, email, visitor, page } = await atPage({ channels: ['sms'] }, '/account/phone');
  expect(page.url).toBe(`${app.issuer}/account/phone`);
  const removed = await visitor.submit(page, '/phone/remove');
  expect(removed.url).toBe(`${app.issuer}/account?done=phone_removed`);
  expect(await factorsOf(user.id)).toEqual([]);
  expect((await eventsOf(app, user.id)).slice(-2)).toEqual(['factor.removed', 'phone.removed']);
  await expect.poll(() => messages.mailsTo(email), { timeout: 15_000 }).toBeGreaterThan(0);
});

test.each([
  { title: 'turns the factor off', administrator: false, left: [] },
  { title: 'keeps the only factor of an administrator', administrator: true, left: ['sms'] },
])('another number $title', async ({ administrator, left }) => {
  const input = { administrator, channels: ['sms'] };
  const { user, visitor, page } = await atPage(input, '/account/phone');
  const phone = `+4479463${user.id.replace(/\D/g, '').slice(-5)}`;
  const asked = await visitor.submit(page, '/account/phone', { phone });
  const code = await messages.code(phone);
  const done = await visitor.submit(asked, '/phone/code', { code });
  expect(done.url).toBe(`${app.issuer}/account?done=phone`);
  expect(await factorsOf(user.id)).toEqual(left);
});

test('another address is proven, so that codes go there from then on', async () => {
  const { user, visitor, email } = await atPage({ channels: ['sms', 'email'] });
  const page = await visitor.open(`${app.issuer}/account/email`);
  const next = `next-${email}`;
  const asked = await visitor.submit(page, '/account/email', { email: next });
  await visitor.submit(asked, '/email/code', { code: await messages.code(next) });
  expect(await factorsOf(user.id)).toEqual(['email', 'sms']);
});
