import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { pastPassword } from '../one-time-codes/message-codes.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, callbackParams, redeem } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import { giveApp, type PhoneApp, phoneWith } from './totp-app.ts';

let app: TestApp;
let replica: { port: number };
let credentials: { client: Client; secret: string | undefined };
let count = 0;

beforeAll(async () => {
  app = await startApp({ TRUST_PROXY: '1' });
  replica = await app.startReplica();
  credentials = await app.createClient();
});
afterAll(() => app.stop());

/** Somebody new with an app, in a browser of their own, past the password. */
async function atCode() {
  count += 1;
  const email = `totp${count}@example.com`;
  const user = await app.createUser({ email });
  const phone = await giveApp(app, user);
  const visitor = createVisitor({ 'x-forwarded-for': `198.51.100.${count}` });
  const url = authorizationUrl(app, credentials.client.id);
  const page = await pastPassword(visitor, url, email, CALLBACK);
  return { user, email, phone, visitor, page, url };
}

const wrongOf = (phone: PhoneApp) => {
  const near = Array.from({ length: 43 }, (_, i) => phone.code(i - 21));
  return ['000000', '111111', '222222'].find((code) => !near.includes(code)) ?? '';
};

async function claimsOf(page: Page) {
  const { code = '' } = callbackParams(page.url);
  const tokens = (await (await redeem(app, credentials, code)).json()) as { id_token: string };
  return decodeJwt(tokens.id_token);
}

const eventsOf = async (userId: string) => {
  const rows = await app.runtime.deps.db('audit_events').where({ user_id: userId }).orderBy('id');
  return rows.map(({ type }: { type: string }) => type);
};

describe('a code of an authenticator app', () => {
  test('is asked for after the password, and signs in', async () => {
    const { visitor, page, phone, user } = await atCode();
    expect(pageName(page)).toBe('totp');
    const back = await visitor.submit(page, '/totp', { code: phone.code() }, CALLBACK);
    expect(await claimsOf(back)).toMatchObject({
      acr: 'urn:plinto:acr:2fa',
      amr: ['pwd', 'otp', 'mfa'],
    });
    const [credential] = await app.runtime.deps.db('totp_credentials').where({ user_id: user.id });
    expect(credential.last_used_at).toBeInstanceOf(Date);
  });

  // A step on, a code of one step back would be two back: only the far side of each is certain.
  test.each([
    [1, true],
    [0, true],
    [3, false],
    [-2, false],
  ])('of %d time steps from now is taken: %s', async (steps, taken) => {
    const { visitor, page, phone } = await atCode();
    const next = await visitor.submit(page, '/totp', { code: phone.code(steps) }, CALLBACK);
    expect(next.url.startsWith(CALLBACK)).toBe(taken);
    if (taken) return;
    // Of a code that is yet to come no more is said: it will be right.
    const said = steps > 0 ? /not right/ : /clock of your device is about .* behind/;
    expect(alertText(next)).toMatch(said);
  });

  test('is read with spaces and in other digits', async () => {
    const { visitor, page, phone } = await atCode();
    const arabic = [...phone.code()].map((d) => String.fromCodePoint(0x660 + Number(d)));
    const code = ` ${arabic.slice(0, 3).join('')} ${arabic.slice(3).join('')} `;
    const back = await visitor.submit(page, '/totp', { code }, CALLBACK);
    expect(back.url).toContain(CALLBACK);
  });

  test.each(['12345', 'abcdef', '1234567', '٣', "1' OR 1=1"])(
    'that is malformed (%s) is wrong, and no error',
    async (code) => {
      const { visitor, page } = await atCode();
      const next = await visitor.submit(page, '/totp', { code }, CALLBACK);
      expect(next.status).toBe(200);
      expect(pageName(next)).toBe('totp');
      expect(alertText(next)).toContain('not right');
    },
  );

  test('that is empty isn’t counted', async () => {
    const { visitor, page, phone } = await atCode();
    let next = page;
    for (let tries = 0; tries < 8; tries += 1) {
      next = await visitor.submit(next, '/totp', { code: ' ' }, CALLBACK);
      expect(alertText(next)).toBe('Enter the code that your app shows.');
    }
    const back = await visitor.submit(next, '/totp', { code: phone.code() }, CALLBACK);
    expect(back.url).toContain(CALLBACK);
  });
});

test('security 4: the same code on two servers succeeds once', async () => {
  const { visitor, page, phone, email, url, user } = await atCode();
  const other = createVisitor({ 'x-forwarded-for': '198.51.100.250' });
  const theirs = await pastPassword(other, url, email, CALLBACK);
  const code = phone.code();
  const send = async (browser: typeof visitor, from: Page, port?: number) => {
    const { action, hidden } = findForm(from, '/totp');
    const address = new URL(action);
    const { origin } = address;
    if (port !== undefined) address.port = String(port);
    const body = new URLSearchParams({ ...hidden, code });
    const response = await browser.request(address.href, {
      method: 'POST',
      body,
      headers: { origin },
    });
    return response.headers.get('location') ?? '';
  };
  const went = await Promise.all([send(visitor, page), send(other, theirs, replica.port)]);
  expect(went.filter((location) => location.endsWith('/totp'))).toHaveLength(1);
  const events = await eventsOf(user.id);
  expect(events.filter((type) => type === 'sign_in.succeeded')).toHaveLength(1);
  expect(events.filter((type) => type === 'sign_in.failed')).toHaveLength(1);
});

test('security 4: a code that was used is refused in the next sign-in', async () => {
  const { visitor, page, phone, email, url } = await atCode();
  await visitor.submit(page, '/totp', { code: phone.code() }, CALLBACK);
  const other = createVisitor();
  const again = await pastPassword(other, url, email, CALLBACK);
  const refused = await other.submit(again, '/totp', { code: phone.code() }, CALLBACK);
  expect(alertText(refused)).toContain('used already');
});

test('security 4: wrong codes slow down, over new sign-ins and servers, but not the owner’s browser', async () => {
  const { visitor, page, phone, email, url } = await atCode();
  await visitor.submit(page, '/totp', { code: phone.code() }, CALLBACK);
  const thief = createVisitor({ 'x-forwarded-for': '203.0.113.66' });
  let refused: Page | undefined;
  for (let tries = 0; tries < 6; tries += 1) {
    const fresh = await pastPassword(thief, url, email, CALLBACK);
    refused = await thief.submit(fresh, '/totp', { code: wrongOf(phone) }, CALLBACK);
    expect(alertText(refused)).toContain('not right');
  }
  // Even the right one, and elsewhere.
  const elsewhere = createVisitor({ 'x-forwarded-for': '203.0.113.67' });
  const fresh = await pastPassword(elsewhere, url, email, CALLBACK);
  const { action, hidden } = findForm(fresh, '/totp');
  const address = new URL(action);
  const { origin } = address;
  address.port = String(replica.port);
  const body = new URLSearchParams({ ...hidden, code: phone.code(1) });
  await elsewhere.request(address.href, { method: 'POST', body, headers: { origin } });
  const slowed = await elsewhere.open(`${fresh.url.replace(/\/totp$/, '')}/totp`, CALLBACK);
  expect(alertText(slowed)).toMatch(/Too many tries. Wait \d+ second/);

  const login = await visitor.open(`${url}&prompt=login`);
  const mine = await visitor.submit(login, '/password', { password: PASSWORD }, CALLBACK);
  const back = await visitor.submit(mine, '/totp', { code: phone.code(1) }, CALLBACK);
  expect(back.url).toContain(CALLBACK);
});

test('security 34: the same form sent ten times proves once and leads on', async () => {
  const { visitor, page, phone, user } = await atCode();
  const { action, hidden } = findForm(page, '/totp');
  const { origin } = new URL(action);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      visitor.request(action, {
        method: 'POST',
        body: new URLSearchParams({ ...hidden, code: phone.code() }),
        headers: { origin },
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(303));
  for (const { headers } of answers) expect(headers.get('location')).not.toMatch(/\/totp$/);
  const events = await eventsOf(user.id);
  expect(events.filter((type) => type === 'sign_in.succeeded')).toHaveLength(1);
  expect(events).not.toContain('sign_in.failed');
});

test('secrets are encrypted at rest, confirmed or not', async () => {
  const { user, phone } = await atCode();
  const { rows } = await app.runtime.deps.db.raw(
    'SELECT t::text AS whole FROM totp_credentials t WHERE user_id = ?',
    [user.id],
  );
  expect(rows).toHaveLength(1);
  expect(rows[0].whole).toContain('v1.');
  expect(rows[0].whole).not.toContain(phone.secret);
});

describe('an app set up while signing in', () => {
  test('has the same key in every tab, is confirmed by a code, and then come recovery codes', async () => {
    const client = await app.createClient({ name: 'Strict', metadata: { mfa: 'required' } });
    const user = await app.createUser({ email: 'enrol@example.com' });
    const visitor = createVisitor();
    const url = authorizationUrl(app, client.client.id);
    const choice = await pastPassword(visitor, url, 'enrol@example.com', CALLBACK);
    const base = /^.*\/interaction\/[^/]+/.exec(choice.url)?.[0];
    const setUp = await visitor.open(`${base}/enrol-totp`);
    expect(pageName(setUp)).toBe('enrol-totp');
    const keyIn = ({ html }: Page) => /<code class="key">([^<]+)</.exec(html)?.[1] ?? '';
    const phone = phoneWith(keyIn(setUp).replaceAll(' ', ''));
    expect(keyIn(await visitor.open(`${base}/enrol-totp`))).toBe(keyIn(setUp));
    const dump = await app.runtime.deps.db.raw('SELECT e::text AS whole FROM totp_enrolments e');
    expect(JSON.stringify(dump.rows)).not.toContain(phone.secret);

    const refused = await visitor.submit(setUp, '/enrol-totp', { code: wrongOf(phone) });
    expect(alertText(refused)).toContain('not right');
    expect(keyIn(refused)).toBe(keyIn(setUp));
    const kept = await visitor.submit(refused, '/enrol-totp', { code: phone.code() });
    expect(pageName(kept)).toBe('recovery-codes');
    const codes = [...kept.html.matchAll(/<li><code>([\w-]+)</g)].map(([, code]) => code);
    expect(new Set(codes).size).toBe(10);
    const { db } = app.runtime.deps;
    expect(await db('recovery_codes').where({ user_id: user.id })).toEqual([]);
    const back = await visitor.submit(kept, '/recovery-codes', {}, CALLBACK);
    expect(back.url).toContain(CALLBACK);
    expect(await db('recovery_codes').where({ user_id: user.id })).toHaveLength(10);
    expect(await eventsOf(user.id)).toEqual(
      expect.arrayContaining(['factor.added', 'recovery_codes.created', 'sign_in.succeeded']),
    );
  });
});
