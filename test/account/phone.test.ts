import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canonicalPhoneNumber } from '../../src/account/contact/phone-number.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty } from '../support/relying-party.ts';
import { alertText, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

const FORM = '/account/phone';
const CODE = '/account/phone/code';
/** Milliseconds; the queue looks for due jobs every five seconds at least. */
const SOON = { timeout: 15_000 };

let app: TestApp;
let gateway: Server;
let received: { to: string; text: string }[] = [];
let count = 0;

beforeAll(async () => {
  gateway = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    received.push(JSON.parse(body));
    res.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const { port } = gateway.address() as AddressInfo;
  app = await startApp({
    SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/sms`,
    SMS_WEBHOOK_SECRET: `whsec_${Buffer.from('a key of the gateway that is long').toString('base64')}`,
    TRUST_PROXY: '1',
  });
});
afterAll(async () => {
  await app.stop();
  gateway.close();
});

type Person = { user: User; email: string; phone: string; visitor: Visitor; page: Page };

/** Somebody new at the form, at an address of their own. */
async function atForm(): Promise<Person> {
  count += 1;
  const email = `caller${count}@example.com`;
  const user = await app.createUser({ email });
  const headers = { 'x-forwarded-for': `198.51.100.${count}` };
  const opened = await openAccount(app, email, FORM, headers);
  return { user, email, phone: `+4479460${String(count).padStart(5, '0')}`, ...opened };
}

async function codeTo(phone: string): Promise<string> {
  const sent = () => received.findLast(({ to }) => to === phone)?.text;
  await expect.poll(sent, SOON).toBeDefined();
  return String(/\d{8}/.exec(String(sent()))?.[0]);
}

const find = (user: User): Promise<User> =>
  app.runtime.deps.db('users').where({ id: user.id }).first();

test('a number is used once the code that was sent there is typed here, and apps get it', async () => {
  const { user, email, phone, visitor, page } = await atForm();
  const typed = `${phone.slice(0, 3)} (0)${phone.slice(3)}`.replace('(0)', '-');
  const asked = await visitor.submit(page, FORM, { phone: typed });
  expect([asked.url, pageName(asked)]).toEqual([`${app.issuer}${CODE}`, 'account-phone-code']);
  expect(asked.html).toContain(phone);
  const done = await visitor.submit(asked, CODE, { code: await codeTo(phone) });
  expect(done.url).toBe(`${app.issuer}/account?done=phone`);
  expect(done.html).toContain(phone);
  expect(await find(user)).toMatchObject({
    phone_number: phone,
    phone_number_verified_at: expect.any(Date),
  });
  expect(await eventsOf(app, user.id)).toEqual(['phone.verified']);
  const party = await createRelyingParty(app, { scope: 'openid phone' });
  const tokens = await party.signIn({ scope: 'openid phone' }, { visitor, identifier: email });
  expect(await oidc.fetchUserInfo(party.config, tokens.access_token, user.id)).toMatchObject({
    phone_number: phone,
    phone_number_verified: true,
  });
});

test('a number can be removed, once however often that is asked', async () => {
  const { user, phone, visitor } = await atForm();
  const { db } = app.runtime.deps;
  await db('users')
    .where({ id: user.id })
    .update({ phone_number: phone, phone_number_verified_at: db.fn.now() });
  const page = await visitor.open(`${app.issuer}${FORM}`);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => visitor.submit(page, '/account/phone/remove')),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}/account?done=phone_removed`]),
  );
  expect(await find(user)).toMatchObject({ phone_number: null, phone_number_verified_at: null });
  expect(await eventsOf(app, user.id)).toEqual(['phone.removed']);
});

test('security 34: forms sent ten times at once send one code, and verify once', async () => {
  const { user, phone, visitor, page } = await atForm();
  const ten = (from: Page, form: string, fields: Record<string, string>) =>
    Promise.all(Array.from({ length: 10 }, () => visitor.submit(from, form, fields)));
  const asked = await ten(page, FORM, { phone });
  expect(new Set(asked.map(({ url }) => url))).toEqual(new Set([`${app.issuer}${CODE}`]));
  const code = await codeTo(phone);
  const done = await ten(asked[0] as Page, CODE, { code });
  expect(new Set(done.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}/account?done=phone`]),
  );
  expect(await eventsOf(app, user.id)).toEqual(['phone.verified']);
  expect(received.filter(({ to }) => to === phone)).toHaveLength(1);
});

describe('messages are counted, as each costs money:', () => {
  const past = (person: Person) =>
    app.runtime.deps
      .db('one_time_codes')
      .where({ user_id: person.user.id })
      .update({ created_at: app.runtime.deps.db.raw("created_at - interval '10 seconds'") });

  async function askUntilRefused(ask: (i: number) => Promise<Page>): Promise<number> {
    for (let i = 0; i < 9; i += 1) {
      const page = await ask(i);
      if (page.status === 422) {
        expect(alertText(page)).toMatch(/Too many messages.*You can try again in/);
        return i;
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  test('those of one person, whatever the number', async () => {
    const { visitor, page } = await atForm();
    const ask = (i: number) => visitor.submit(page, FORM, { phone: `+35191234000${i}` });
    expect(await askUntilRefused(ask)).toBeLessThan(8);
  });

  test('those to one number, whoever asks', async () => {
    const ask = async () => {
      const { visitor, page } = await atForm();
      return visitor.submit(page, FORM, { phone: '+351912345678' });
    };
    expect(await askUntilRefused(ask)).toBeLessThan(8);
  });

  test('those of one address, whoever asks and whatever the number', async () => {
    const ask = async (i: number) => {
      const { email } = await atForm();
      const headers = { 'x-forwarded-for': '203.0.113.7' };
      const { visitor, page } = await openAccount(app, email, FORM, headers);
      return visitor.submit(page, FORM, { phone: `+35198765000${i}` });
    };
    expect(await askUntilRefused(ask)).toBeLessThan(8);
  });

  test('those sent again from the page of the code', async () => {
    const person = await atForm();
    const asked = await person.visitor.submit(person.page, FORM, { phone: person.phone });
    const ask = async () => {
      await past(person);
      const again = await person.visitor.submit(asked, '/account/phone/resend');
      return {
        ...again,
        html: again.html.replace(
          'Too many tries. You can go on',
          'Too many messages. You can try again',
        ),
      };
    };
    expect(await askUntilRefused(ask)).toBeLessThan(8);
  });
});

test('a code works only in the session that asked for it', async () => {
  const { user, email, phone, visitor, page } = await atForm();
  await visitor.submit(page, FORM, { phone });
  const code = await codeTo(phone);
  const other = await openAccount(app, email, FORM);
  const { hidden } = findForm(other.page, FORM);
  const refused = await other.visitor.open(`${app.issuer}${CODE}`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, code }),
  });
  expect(refused.status).toBe(422);
  expect((await find(user)).phone_number).toBeNull();
});

test('a code for a number is none for an address', async () => {
  const { user, phone, visitor, page } = await atForm();
  const asked = await visitor.submit(page, FORM, { phone });
  const { hidden } = findForm(asked, CODE);
  const refused = await visitor.open(`${app.issuer}/account/email/code`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, code: await codeTo(phone) }),
  });
  expect([refused.status, pageName(refused)]).toEqual([422, 'account-email-code']);
  expect((await find(user)).phone_number).toBeNull();
});

test.each([
  [{ phone: '020 7946 0018' }, /not a phone number/],
  [{}, /not a phone number/],
  [{ phone: '+447946000000', phone_number_verified_at: 'now' }, /phone_number_verified_at/],
])('%j is refused at the form', async (fields, words) => {
  const { user, visitor, page } = await atForm();
  received = [];
  const refused = await visitor.submit(page, FORM, fields as Record<string, string>);
  expect([refused.status, pageName(refused)]).toEqual([422, 'account-phone']);
  expect(alertText(refused)).toMatch(words);
  expect((await find(user)).phone_number).toBeNull();
});

test.each([
  ['+442079460018', '+442079460018'],
  [' +44 (20) 7946-0018 ', '+442079460018'],
  ['0044.20.7946.0018', '+442079460018'],
  ['＋４４２０７９４６００１８', '+442079460018'],
  ['+٤٤٢٠٧٩٤٦٠٠١٨', '+442079460018'],
  ['\u202a+44 20 7946 0018\u202c', '+442079460018'],
  ['+44–20—7946‑0018', '+442079460018'],
  ['+12345678', '+12345678'],
  ['+1234567', undefined],
  ['+1234567890123456', undefined],
  ['+0442079460018', undefined],
  ['2079460018', undefined],
  ['+44 20 7946 0018 ext 5', undefined],
  ['+44;2079460018', undefined],
  ['++442079460018', undefined],
  ['', undefined],
])('%j is the number %s', (typed, number) => {
  expect(canonicalPhoneNumber(typed)).toBe(number);
});
