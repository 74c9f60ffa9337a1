import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import type { Client } from '../../src/clients/store.ts';
import { transaction } from '../../src/db/pool.ts';
import { setPassword } from '../../src/password/set-password.ts';
import type { User } from '../../src/users/store.ts';
import {
  createReader,
  type Messages,
  pastPassword,
  startMessages,
} from '../one-time-codes/message-codes.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, callbackParams, redeem } from '../support/authorization.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

let messages: Messages;
let app: TestApp;
let credentials: { client: Client; secret: string | undefined };
let count = 0;

beforeAll(async () => {
  messages = await startMessages();
  app = await startApp({
    ...messages.env,
    TRUST_PROXY: '1',
    PLACE_HEADER: 'x-place',
  });
  credentials = await app.createClient();
});
afterAll(async () => {
  await app.stop();
  await messages.stop();
});

type Person = { user: User; email: string; phone: string; visitor: Visitor; page: Page };

const urlOf = (params = {}) => authorizationUrl(app, credentials.client.id, params);
const rows = (user: User) => app.runtime.deps.db('trusted_devices').where({ user_id: user.id });

/** Past the code, in a browser that is to be remembered or not. */
async function signedInByCode(
  remember: Record<string, string> = { remember: 'yes' },
  input: { administrator?: boolean } = {},
): Promise<Person> {
  count += 1;
  const email = `owner${count}@example.com`;
  const phone = `+4479461${String(count).padStart(5, '0')}`;
  const user = await createReader(app, { email, phone, channels: ['sms'], ...input });
  const visitor = createVisitor({
    'x-forwarded-for': `198.51.100.${count}`,
    'x-place': 'Lisbon, Portugal',
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  });
  const page = await giveCode(
    visitor,
    await pastPassword(visitor, urlOf(), email),
    phone,
    remember,
  );
  return { user, email, phone, visitor, page };
}

async function giveCode(
  visitor: Visitor,
  page: Page,
  phone: string,
  fields: Record<string, string> = {},
  stopAt = CALLBACK,
): Promise<Page> {
  const before = messages.count(phone);
  const sent = await visitor.submit(page, '/send-sms-code');
  const code = await messages.code(phone, before);
  return visitor.submit(sent, '/sms-code', { code, ...fields }, stopAt);
}

/** Back after the sessions ended, past the password, with whatever else the browser has. */
async function backLater(person: Person, params = {}): Promise<Page> {
  await app.runtime.deps.db('oidc_sessions').delete();
  return pastPassword(person.visitor, urlOf(params), person.email, CALLBACK);
}

async function claimsOf(page: Page) {
  const { code = '' } = callbackParams(page.url);
  const tokens = (await (await redeem(app, credentials, code)).json()) as { id_token: string };
  return decodeJwt(tokens.id_token);
}

test('a browser that was asked to be remembered needs no code; tokens say so', async () => {
  const person = await signedInByCode();
  expect(await claimsOf(person.page)).toMatchObject({ acr: 'urn:plinto:acr:2fa' });
  expect(await rows(person.user)).toMatchObject([
    { place: 'Lisbon, Portugal', ip: expect.stringContaining('198.51.100') },
  ]);
  const back = await backLater(person);
  expect(await claimsOf(back)).toMatchObject({ acr: 'urn:plinto:acr:1fa', amr: ['pwd'] });
  const [row] = await rows(person.user);
  expect(row.last_used_at > row.created_at).toBe(true);
});

test.each([
  { title: 'that nobody asked to remember', fields: {} },
  { title: 'whose form says something else', fields: { remember: 'no' } },
])('a browser $title is asked again', async ({ fields }) => {
  const person = await signedInByCode(fields);
  expect(pageName(await backLater(person))).toBe('sms-code');
  expect(await rows(person.user)).toEqual([]);
});

test('another browser is asked, and so is this one for another person', async () => {
  const person = await signedInByCode();
  const elsewhere = createVisitor({ 'x-forwarded-for': '203.0.113.5' });
  const asked = await pastPassword(elsewhere, urlOf(), person.email, CALLBACK);
  expect(pageName(asked)).toBe('sms-code');
  const other = await signedInByCode({});
  expect(pageName(await backLater({ ...other, visitor: person.visitor }))).toBe('sms-code');
});

test('security 8: a changed cookie is none', async () => {
  const person = await signedInByCode();
  const cookies = await person.visitor.jar.getCookies(app.issuer);
  const trusted = cookies.find(({ key }) => /^plinto_trusted_[\w-]{8}$/.test(key));
  expect(trusted).toMatchObject({ httpOnly: true, sameSite: 'lax' });
  const value = String(trusted?.value);
  const changed = `${value[0] === 'A' ? 'B' : 'A'}${value.slice(1)}`;
  await person.visitor.jar.setCookie(`${trusted?.key}=${changed}; Path=/`, app.issuer);
  expect(pageName(await backLater(person))).toBe('sms-code');
});

test('security 3: it never stands in for what an app asks for', async () => {
  const person = await signedInByCode();
  const asked = await backLater(person, { acr_values: 'urn:plinto:acr:2fa' });
  expect(pageName(asked)).toBe('sms-code');
});

test('administrators are neither offered it nor spared the code', async () => {
  const person = await signedInByCode({ remember: 'yes' }, { administrator: true });
  expect(await rows(person.user)).toEqual([]);
  const asked = await backLater(person);
  expect(pageName(asked)).toBe('sms-code');
  const sent = await person.visitor.submit(asked, '/send-sms-code');
  expect(sent.html).not.toContain('name="remember"');
});

describe('it ends', () => {
  test('when the days are over', async () => {
    const person = await signedInByCode();
    const { db } = app.runtime.deps;
    await rows(person.user).update({ expires_at: db.raw("now() - interval '1 second'") });
    expect(pageName(await backLater(person))).toBe('sms-code');
  });

  test('when the installation remembers for fewer days than it did', async () => {
    const person = await signedInByCode();
    const { db } = app.runtime.deps;
    await rows(person.user).update({
      created_at: db.raw("now() - interval '31 days'"),
      expires_at: db.raw("now() + interval '9 days'"),
    });
    expect(pageName(await backLater(person))).toBe('sms-code');
  });

  test('when the password changes, which is recorded', async () => {
    const person = await signedInByCode();
    const { db } = app.runtime.deps;
    const { hash } = await db('passwords').where({ user_id: person.user.id }).first();
    await transaction(db, (trx) => setPassword(trx, SYSTEM, person.user, { hash }));
    expect(pageName(await backLater(person))).toBe('sms-code');
    const events = await db('audit_events')
      .where({ user_id: person.user.id })
      .whereLike('type', 'device.%')
      .orderBy('id');
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['device.trusted', { days: 30 }],
      ['device.forgotten', { count: 1 }],
    ]);
  });
});

test('a browser is one, however often it is remembered', async () => {
  const person = await signedInByCode();
  const asked = await backLater(person, { acr_values: 'urn:plinto:acr:2fa' });
  const done = await giveCode(person.visitor, asked, person.phone, { remember: 'yes' });
  expect(done.url.startsWith(CALLBACK)).toBe(true);
  expect(await rows(person.user)).toHaveLength(1);
});

test('security 3: a remembered browser is asked for the code before the password is changed', async () => {
  const person = await signedInByCode();
  await backLater(person);
  const overview = await person.visitor.open(`${app.issuer}/account/password`);
  expect(pageName(overview)).toBe('account-password');
  const form = `${app.issuer}/account/password/change`;
  const asked = await person.visitor.open(form);
  expect(pageName(asked)).toBe('sms-code');
  const page = await giveCode(person.visitor, asked, person.phone, {}, 'nowhere:');
  expect(page.url).toBe(form);
  // Once for all that needs it.
  const codes = await person.visitor.open(`${app.issuer}/account/message-codes`);
  expect(pageName(codes)).toBe('account-message-codes');
});

test('the account tells this browser from the others that are remembered', async () => {
  const person = await signedInByCode();
  await backLater(person);
  const here = await person.visitor.open(`${app.issuer}/account/devices`);
  expect(here.html).toContain('This browser');
  const elsewhere = createVisitor({ 'x-forwarded-for': '203.0.113.6' });
  const asked = await pastPassword(elsewhere, `${app.issuer}/account/devices`, person.email);
  const there = await giveCode(elsewhere, asked, person.phone, {}, 'nowhere:');
  expect(pageName(there)).toBe('account-devices');
  expect(there.html).toContain('Firefox · Linux');
  expect(there.html).not.toContain('This browser');
});
