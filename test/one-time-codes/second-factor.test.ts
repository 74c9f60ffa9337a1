import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, callbackParams, redeem } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import {
  createReader,
  type Messages,
  pastPassword,
  startMessages,
  wrong,
} from './message-codes.ts';

let messages: Messages;
let app: TestApp;
let credentials: { client: Client; secret: string | undefined };
let count = 0;

beforeAll(async () => {
  messages = await startMessages();
  app = await startApp({ ...messages.env, TRUST_PROXY: '1' });
  credentials = await app.createClient();
});
afterAll(async () => {
  await app.stop();
  await messages.stop();
});

/** Somebody new with these channels turned on, in a browser of their own, past the password. */
async function atSecondFactor(channels: string[], input: { administrator?: boolean } = {}) {
  count += 1;
  const email = `reader${count}@example.com`;
  const phone = `+4479460${String(count).padStart(5, '0')}`;
  const user = await createReader(app, { email, phone, channels, ...input });
  const visitor = createVisitor({ 'x-forwarded-for': `198.51.100.${count}` });
  const url = authorizationUrl(app, credentials.client.id);
  const page = await pastPassword(visitor, url, email, CALLBACK);
  return { user, email, phone, visitor, page, url };
}

async function claimsOf(page: Page) {
  const { code = '' } = callbackParams(page.url);
  const tokens = (await (await redeem(app, credentials, code)).json()) as { id_token: string };
  return decodeJwt(tokens.id_token);
}

const CHANNELS = [
  { channel: 'sms', name: 'sms-code', amr: ['pwd', 'sms', 'mfa'] },
  { channel: 'email', name: 'mail-code', amr: ['pwd', 'otp', 'mfa'] },
] as const;

describe.each(CHANNELS)('a code as second factor ($channel)', ({ channel, name, amr }) => {
  test('is asked for after the password, sent by a button only, and signs in', async () => {
    const { visitor, page, email, phone, user } = await atSecondFactor([channel]);
    const to = channel === 'sms' ? phone : email;
    expect(pageName(page)).toBe(name);
    expect(page.html).toContain(
      channel === 'sms' ? `+44\u00a0•••\u00a0${phone.slice(-4)}` : 'r•••@example.com',
    );
    expect(page.html).not.toContain(`>${to}<`);
    expect(() => findForm(page, `/${name}`)).toThrow();
    expect(await app.runtime.deps.db('one_time_codes').where({ user_id: user.id })).toEqual([]);
    const sent = await visitor.submit(page, `/send-${name}`);
    expect(pageName(sent)).toBe(name);
    const code = await messages.code(to);
    const back = await visitor.submit(sent, `/${name}`, { code }, CALLBACK);
    const claims = await claimsOf(back);
    expect(claims).toMatchObject({ acr: 'urn:plinto:acr:2fa' });
    expect(claims.amr).toEqual(amr);
    const [factor] = await app.runtime.deps.db('message_factors').where({ user_id: user.id });
    expect(factor.last_used_at).toBeInstanceOf(Date);
  });

  test('says so when it is missing, wrong or worthless', async () => {
    const { visitor, page, email, phone } = await atSecondFactor([channel]);
    const sent = await visitor.submit(page, `/send-${name}`);
    const code = await messages.code(channel === 'sms' ? phone : email);
    const missing = await visitor.submit(sent, `/${name}`, { code: ' ' });
    expect(alertText(missing)).toBe('Enter the code we sent you.');
    let last = missing;
    for (let tries = 0; tries < 4; tries += 1) {
      last = await visitor.submit(last, `/${name}`, { code: wrong(code) });
      expect(alertText(last)).toContain('not right');
    }
    last = await visitor.submit(last, `/${name}`, { code: wrong(code) });
    expect(alertText(last)).toContain('wrongly too often');
    // There is nothing to type any more, only a button for another.
    expect(() => findForm(last, `/${name}`)).toThrow();
    const late = await visitor.submit(sent, `/${name}`, { code });
    expect(alertText(late)).toContain('too often');
  });

  test('works in the sign-in that asked for it only, and no more after another was sent', async () => {
    const { visitor, page, email, phone, url } = await atSecondFactor([channel]);
    const to = channel === 'sms' ? phone : email;
    const sent = await visitor.submit(page, `/send-${name}`);
    const code = await messages.code(to);
    const thief = createVisitor({ 'x-forwarded-for': '203.0.113.9' });
    const theirs = await pastPassword(thief, url, email, CALLBACK);
    const theirSent = await thief.submit(theirs, `/send-${name}`);
    expect(await messages.code(to, 1)).not.toBe(code);
    const refused = await thief.submit(theirSent, `/${name}`, { code });
    expect(alertText(refused)).toContain('not right');
    const replaced = await visitor.submit(sent, `/${name}`, { code });
    expect(alertText(replaced)).toContain('no longer works');
  });

  test('security 34: both forms sent ten times at once have one effect', async () => {
    const { visitor, page, email, phone, user } = await atSecondFactor([channel]);
    const to = channel === 'sms' ? phone : email;
    const ten = <T>(act: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, act));
    const sent = await ten(() => visitor.submit(page, `/send-${name}`));
    expect(new Set(sent.map(pageName))).toEqual(new Set([name]));
    const code = await messages.code(to);
    expect(messages.count(to)).toBe(1);
    const [first] = sent;
    if (first === undefined) throw new Error('nothing was answered');
    const done = await ten(() => visitor.submit(first, `/${name}`, { code }, CALLBACK));
    expect(done.filter((one) => one.url.startsWith(CALLBACK)).length).toBeGreaterThan(0);
    expect(done.every(({ status }) => status < 500)).toBe(true);
    const events = await app.runtime.deps
      .db('audit_events')
      .where({ user_id: user.id, type: 'sign_in.succeeded' });
    expect(events).toHaveLength(1);
  });
});

test('security 8: a code of another purpose is worthless as a second factor', async () => {
  const { visitor, page, user } = await atSecondFactor(['sms']);
  const { db } = app.runtime.deps;
  const sent = await visitor.submit(page, '/send-sms-code');
  await expect
    .poll(() => db('one_time_codes').where({ user_id: user.id }).first('id'))
    .toBeDefined();
  await db('one_time_codes').where({ user_id: user.id }).update({ purpose: 'verify-phone' });
  const code = await messages.code(String(user.phone_number));
  const refused = await visitor.submit(sent, '/sms-code', { code });
  expect(alertText(refused)).toContain('no longer works');
});

test('messages are counted by account, whichever browser asks', async () => {
  const { email, url, phone } = await atSecondFactor(['sms']);
  const visitor = createVisitor({ 'x-forwarded-for': '203.0.113.77' });
  for (let asked = 0; asked < 6; asked += 1) {
    const page = await pastPassword(visitor, url, email, CALLBACK);
    const sent = await visitor.submit(page, '/send-sms-code');
    expect(alertText(sent)).toBeUndefined();
    await visitor.jar.removeAllCookies();
  }
  const page = await pastPassword(visitor, url, email, CALLBACK);
  const refused = await visitor.submit(page, '/send-sms-code');
  expect(alertText(refused)).toContain('Too many codes');
  await messages.code(phone, 5);
  expect(messages.count(phone)).toBe(6);
});

test('security 4: wrong codes are counted over all sign-ins of the account', async () => {
  const { email, url, user } = await atSecondFactor(['sms']);
  const { db } = app.runtime.deps;
  let last: Page | undefined;
  for (let round = 0; round < 2; round += 1) {
    const visitor = createVisitor({ 'x-forwarded-for': `203.0.113.${80 + round}` });
    let page = await pastPassword(visitor, url, email, CALLBACK);
    page = await visitor.submit(page, '/send-sms-code');
    const code = await messages.code(String(user.phone_number), round);
    for (let tries = 0; tries < 4; tries += 1)
      page = await visitor.submit(page, '/sms-code', { code: wrong(code) });
    last = page;
  }
  expect(alertText(last as Page)).toContain('Too many tries');
  const refused = await db('audit_events').where({ user_id: user.id, type: 'code.refused' });
  expect(refused.some(({ data }) => data.reason === 'throttled')).toBe(true);
});
