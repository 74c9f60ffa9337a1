import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventsOf } from '../account/account.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import type { Quirks } from '../support/authenticator.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import { optionsOf, type PasskeyApp, type Person, startPasskeyApp } from './passkey-app.ts';

let passkeys: PasskeyApp;
let lenientId: string;
beforeAll(async () => {
  passkeys = await startPasskeyApp({ MFA: 'required', PASSKEY_OFFER_DAYS: '30' });
  lenientId = (await passkeys.app.createClient({ metadata: { mfa: 'off' } })).client.id;
});
afterAll(() => passkeys.stop());

type Manner = { clientId?: string; typed?: Record<string, string> };

/** From an app to the page after the password. */
async function pastPassword(person: Person, manner: Manner = {}, visitor = createVisitor()) {
  const { clientId = passkeys.client.client.id, typed = {} } = manner;
  const login = await visitor.open(authorizationUrl(passkeys.app, clientId));
  const fields = { identifier: person.email, password: PASSWORD, ...typed };
  return { visitor, login, page: await visitor.submit(login, '/login', fields, CALLBACK) };
}

/** Somebody new where a second factor is chosen, who chose a passkey. */
async function atEnrolment() {
  const ada = await passkeys.newPerson();
  const { visitor, login, page: choice } = await pastPassword(ada);
  expect(pageName(choice)).toBe('enrol-mfa');
  const page = await visitor.open(`${login.url.replace(/\/login$/, '')}/enrol-passkey`);
  expect(pageName(page)).toBe('enrol-passkey');
  return { ...ada, visitor, page };
}

type AtCreation = Awaited<ReturnType<typeof atEnrolment>>;

function create({ page, authenticator }: AtCreation, quirks: Quirks = {}): { credential: string } {
  return { credential: JSON.stringify(authenticator.create(optionsOf(page), quirks)) };
}

async function isSignedIn({ visitor }: AtCreation): Promise<boolean> {
  const url = authorizationUrl(passkeys.app, lenientId, { prompt: 'none' });
  return (await visitor.open(url, CALLBACK)).url.includes('code=');
}

/** Sends the same form ten times at once. @returns where each answer leads. */
async function sendTen({ visitor, page }: AtCreation, suffix: string, typed = {}) {
  const { action, hidden } = findForm(page, suffix);
  const body = new URLSearchParams({ ...hidden, ...typed }).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    origin: new URL(passkeys.app.issuer).origin,
  };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => visitor.request(action, { method: 'POST', body, headers })),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]));
  return answers.map((one) => String(one.headers.get('location')));
}

const mailsTo = ({ email }: Person, subject: RegExp) =>
  passkeys.mailbox.messages.filter(
    (one) => one.recipients.includes(email) && subject.test(String(one.subject)),
  );

describe('where a second factor is required and there is none', () => {
  test('a passkey can be chosen, and recovery codes come before the end', async () => {
    const ada = await atEnrolment();
    const codes = await ada.visitor.submit(ada.page, '/enrol-passkey', create(ada), CALLBACK);
    expect(pageName(codes)).toBe('recovery-codes');
    expect(await isSignedIn(ada)).toBe(false);
    const end = await ada.visitor.submit(codes, '/recovery-codes', {}, CALLBACK);
    const { acr, amr } = await passkeys.claimsAt(end);
    expect(acr).toBe('phr');
    expect((amr as string[]).toSorted()).toEqual(['hwk', 'mfa', 'pwd', 'user']);
    expect(await isSignedIn(ada)).toBe(true);
  });

  test.each([
    ['back', (page: Page) => page.url.replace(/\/enrol-passkey$/, '')],
    ['the offer', (page: Page) => page.url.replace(/enrol-passkey$/, 'passkey-offer')],
    ['the codes', (page: Page) => page.url.replace(/enrol-passkey$/, 'recovery-codes')],
    ['the account', () => `${passkeys.app.issuer}/account`],
    ['another tab', () => authorizationUrl(passkeys.app, passkeys.client.client.id)],
    ['another app', () => authorizationUrl(passkeys.app, lenientId)],
  ])('%s is no way around it', async (_, elsewhere) => {
    const ada = await atEnrolment();
    const page = await ada.visitor.open(elsewhere(ada.page), CALLBACK);
    expect(['enrol-mfa', 'enrol-passkey', 'login']).toContain(pageName(page));
    expect(await isSignedIn(ada)).toBe(false);
  });

  test('"not now", which only an offer has, is no way around it', async () => {
    const ada = await atEnrolment();
    const { action, hidden } = findForm(ada.page, '/enrol-passkey');
    const page = await ada.visitor.open(
      action.replace(/enrol-passkey$/, 'skip-passkey'),
      CALLBACK,
      {
        method: 'POST',
        body: new URLSearchParams(hidden),
        headers: { origin: new URL(passkeys.app.issuer).origin },
      },
    );
    expect(pageName(page)).toMatch(/^enrol-/);
    expect(await isSignedIn(ada)).toBe(false);
  });

  test('security 34: the form sent ten times makes one passkey and one mail', async () => {
    const ada = await atEnrolment();
    const ends = await sendTen(ada, '/enrol-passkey', create(ada));
    expect(new Set(ends).size).toBe(1);
    expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
    expect(await eventsOf(passkeys.app, ada.user.id)).toEqual(['factor.added']);
    await passkeys.mailbox.waitFor(ada.email);
    expect(mailsTo(ada, /./)).toHaveLength(1);
  });

  const refusals: [string, Quirks, RegExp][] = [
    ['at another origin', { origin: 'https://evil.example' }, /couldn’t be checked/],
    ['for another RP ID', { rpId: 'evil.example' }, /couldn’t be checked/],
    ['without user verification', { userVerified: false }, /couldn’t be checked/],
    ['for a made-up challenge', { challenge: 'AAAA' }, /too long/],
  ];

  test.each(refusals)('one made %s is refused', async (_, quirks, words) => {
    const ada = await atEnrolment();
    const page = await ada.visitor.submit(ada.page, '/enrol-passkey', create(ada, quirks));
    expect([pageName(page), alertText(page)]).toEqual([
      'enrol-passkey',
      expect.stringMatching(words),
    ]);
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
    expect(await isSignedIn(ada)).toBe(false);
    const codes = await ada.visitor.submit(page, '/enrol-passkey', create({ ...ada, page }));
    expect(pageName(codes)).toBe('recovery-codes');
  });

  test('one made in the sign-in of somebody else is refused', async () => {
    const [ada, eve] = [await atEnrolment(), await atEnrolment()];
    const page = await ada.visitor.submit(ada.page, '/enrol-passkey', create(eve));
    expect(pageName(page)).toBe('enrol-passkey');
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
    expect(await passkeys.passkeysOf(eve)).toEqual([]);
  });

  test('none is added before the password', async () => {
    const ada = await atEnrolment();
    const stranger = createVisitor();
    const login = await stranger.open(
      authorizationUrl(passkeys.app, passkeys.client.client.id, { login_hint: ada.email }),
    );
    const { action, hidden } = findForm(login, '/login');
    const page = await stranger.open(action.replace(/login$/, 'enrol-passkey'), CALLBACK, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, ...create(ada) }),
      headers: { origin: new URL(passkeys.app.issuer).origin },
    });
    expect(pageName(page)).toBe('login');
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
  });
});

describe('an offer in passing', () => {
  const able = { passkeys: 'yes' };

  async function atOffer() {
    const ada = await passkeys.newPerson();
    const { visitor, page } = await pastPassword(ada, { clientId: lenientId, typed: able });
    expect(pageName(page)).toBe('passkey-offer');
    return { ...ada, visitor, page };
  }

  test('isn’t made to a browser that didn’t say it can', async () => {
    const ada = await passkeys.newPerson();
    const { page } = await pastPassword(ada, { clientId: lenientId });
    expect(page.url).toContain(`${CALLBACK}?code=`);
  });

  test('that is declined, ten times at once, goes on and isn’t made again for a while', async () => {
    const ada = await atOffer();
    const ends = await sendTen(ada, '/skip-passkey');
    expect(new Set(ends).size).toBe(1);
    const again = await pastPassword(ada, { clientId: lenientId, typed: able });
    expect(again.page.url).toContain(`${CALLBACK}?code=`);
    const { db } = passkeys.app.runtime.deps;
    const signIns = db('audit_events').where({ user_id: ada.user.id, type: 'sign_in.succeeded' });
    expect(await signIns).toHaveLength(2);
    await db('users')
      .where({ id: ada.user.id })
      .update({ passkey_offered_at: db.raw("now() - interval '31 days'") });
    const later = await pastPassword(ada, { clientId: lenientId, typed: able });
    expect(pageName(later.page)).toBe('passkey-offer');
  });

  test('that fails says so, and can still be declined', async () => {
    const ada = await atOffer();
    const wrong = create(ada, { userVerified: false });
    const page = await ada.visitor.submit(ada.page, '/passkey-offer', wrong, CALLBACK);
    expect([pageName(page), alertText(page)]).toEqual([
      'passkey-offer',
      expect.stringMatching(/couldn’t be checked/),
    ]);
    const end = await ada.visitor.submit(page, '/skip-passkey', {}, CALLBACK);
    expect(end.url).toContain(`${CALLBACK}?code=`);
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
  });

  test('that is taken makes a passkey, which signs in from then on', async () => {
    const ada = await atOffer();
    const codes = await ada.visitor.submit(ada.page, '/passkey-offer', create(ada), CALLBACK);
    expect(pageName(codes)).toBe('recovery-codes');
    const login = await passkeys.atLogin();
    const credential = JSON.stringify(ada.authenticator.get(login.options));
    const end = await login.visitor.submit(login.page, '/passkey', { credential }, CALLBACK);
    expect((await passkeys.claimsAt(end)).acr).toBe('phr');
  });
});
