import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import {
  type ChallengeUse,
  issueChallenge,
  redeemChallenge,
} from '../../src/passkeys/challenge.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import type { Quirks } from '../support/authenticator.ts';
import { alertText, createVisitor, findForm, pageName } from '../support/visitor.ts';
import {
  type AtPasskeys,
  answer,
  optionsOf,
  type PasskeyApp,
  type Person,
  startPasskeyApp,
} from './passkey-app.ts';

let passkeys: PasskeyApp;
beforeAll(async () => {
  passkeys = await startPasskeyApp({ MFA_REMEMBER_DAYS: '30' });
});
afterAll(() => passkeys.stop());

/** Reasons and types of what was recorded of tries to sign in, newest first. */
async function lastEvent({ user }: Person) {
  const { db } = passkeys.app.runtime.deps;
  return db('audit_events').where({ user_id: user.id }).orderBy('id', 'desc').first();
}

/** Somebody whose password is proven, at the page that asks for their passkey. */
async function atSecondFactor(person: Person) {
  const { visitor, page } = await passkeys.atLogin();
  const fields = { identifier: person.email, password: PASSWORD };
  const second = await visitor.submit(page, '/login', fields, CALLBACK);
  expect(pageName(second)).toBe('passkey');
  return { visitor, page: second, options: optionsOf(second) };
}

describe('without typing anything', () => {
  test('a passkey signs in, and the tokens say how', async () => {
    const ada = await passkeys.withPasskey({ synced: true });
    const login = await passkeys.atLogin();
    expect(login.options).toMatchObject({
      rpId: 'localhost',
      userVerification: 'required',
      allowCredentials: [],
    });
    const end = await answer(login, ada.authenticator.get(login.options));
    expect(end.url).toContain(`${CALLBACK}?code=`);
    const { sub, acr, amr } = await passkeys.claimsAt(end);
    expect({ sub, acr }).toEqual({ sub: ada.user.id, acr: 'phr' });
    expect((amr as string[]).toSorted()).toEqual(['mfa', 'swk', 'user']);
    expect((await passkeys.passkeysOf(ada))[0].last_used_at).not.toBeNull();
  });

  test('one that stays on its device is hardware, and its counter is kept', async () => {
    const ada = await passkeys.withPasskey({ counter: 1 });
    const login = await passkeys.atLogin();
    const end = await answer(login, ada.authenticator.get(login.options, { counter: 7 }));
    expect((await passkeys.claimsAt(end)).amr).toContain('hwk');
    expect(Number((await passkeys.passkeysOf(ada))[0].sign_count)).toBe(7);
  });

  test('an app that asks for phr gets it at once', async () => {
    const ada = await passkeys.withPasskey();
    const login = await passkeys.atLogin({ acr_values: 'phr' });
    const end = await answer(login, ada.authenticator.get(login.options));
    expect((await passkeys.claimsAt(end)).acr).toBe('phr');
  });

  test('where one person is asked again, the passkey of another signs in its owner alone', async () => {
    const [ada, bob] = [await passkeys.withPasskey(), await passkeys.withPasskey()];
    const first = await passkeys.atLogin();
    await answer(first, ada.authenticator.get(first.options));
    const again = await passkeys.atLogin({ prompt: 'login' }, first.visitor);
    expect(pageName(again.page)).toBe('password');
    const end = await answer(again, bob.authenticator.get(again.options));
    const { sub, amr } = await passkeys.claimsAt(end);
    expect(sub).toBe(bob.user.id);
    expect((amr as string[]).toSorted()).toEqual(['hwk', 'mfa', 'user']);
  });
});

describe('nobody is signed in by a passkey', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const refusals: [string, Quirks][] = [
    ['used at another origin', { origin: 'https://evil.example' }],
    ['used at the same host on another port', { origin: 'http://localhost:1' }],
    ['of another RP ID', { rpId: 'evil.example' }],
    ['that didn’t verify its user', { userVerified: false }],
    ['that nobody touched', { userPresent: false }],
    ['that is signed with another key', { key: other }],
    ['that was made, not used', { type: 'webauthn.create' }],
    ['without a user handle', { userHandle: null }],
    ['with the user handle of somebody else', { userHandle: 'AAAAAAAAAAAAAAAAAAAAAA' }],
  ];

  test.each(refusals)('%s', async (_, quirks) => {
    const ada = await passkeys.withPasskey();
    const login = await passkeys.atLogin();
    const page = await answer(login, ada.authenticator.get(login.options, quirks));
    expect(pageName(page)).toBe('login');
    expect(alertText(page)).toMatch(/try again/i);
    expect(await lastEvent(ada)).toMatchObject({
      type: 'sign_in.failed',
      data: { reason: 'wrong_passkey' },
    });
    expect((await passkeys.passkeysOf(ada))[0].last_used_at).toBeNull();
    // Nor is the challenge of that page good for another try.
    expect(optionsOf(page).challenge).not.toBe(login.options.challenge);
    const late = await answer(login, ada.authenticator.get(login.options));
    expect(pageName(late)).toBe('login');
  });

  const unread: [string, Quirks][] = [
    ['used in a frame of another site', { crossOrigin: true }],
    ['that answers a made-up challenge', { challenge: 'AAAA' }],
  ];

  test.each(unread)('%s', async (_, quirks) => {
    const ada = await passkeys.withPasskey();
    const login = await passkeys.atLogin();
    const page = await answer(login, ada.authenticator.get(login.options, quirks));
    expect([pageName(page), alertText(page)]).toEqual([
      'login',
      expect.stringMatching(/try again/i),
    ]);
  });

  test.each(['', '{}', '[', '{"id":"a\\u0000b"}', '{"id":null,"response":{}}'])(
    'of which is sent: %j',
    async (credential) => {
      const login = await passkeys.atLogin();
      const page = await login.visitor.submit(login.page, '/passkey', { credential }, CALLBACK);
      expect([page.status, pageName(page)]).toEqual([200, 'login']);
    },
  );

  test('that was deleted, and the password manager is told', async () => {
    const ada = await passkeys.withPasskey();
    await ada.visitor.submit(ada.page, '/passkeys/remove');
    const login = await passkeys.atLogin();
    const page = await answer(login, ada.authenticator.get(login.options));
    expect(alertText(page)).toMatch(/belongs to no account here any more/);
    expect(page.html).toContain('signalUnknownCredential');
  });

  test('whose owner is suspended', async () => {
    const ada = await passkeys.withPasskey();
    await transaction(passkeys.app.runtime.deps.db, (trx) => suspendUser(trx, SYSTEM, ada.user));
    const login = await passkeys.atLogin();
    const page = await answer(login, ada.authenticator.get(login.options));
    expect(pageName(page)).toBe('login');
    expect(alertText(page)).toMatch(/was refused/);
    expect(await lastEvent(ada)).toMatchObject({
      type: 'sign_in.failed',
      data: { reason: 'suspended' },
    });
  });

  test('with the challenge of another sign-in, even in the same browser', async () => {
    const ada = await passkeys.withPasskey();
    const visitor = createVisitor();
    const [first, second] = [
      await passkeys.atLogin({}, visitor),
      await passkeys.atLogin({}, visitor),
    ];
    const page = await answer(second, ada.authenticator.get(first.options));
    expect(pageName(page)).toBe('login');
    expect(alertText(page)).toMatch(/too long/);
  });

  test('with a challenge for making one', async () => {
    const ada = await passkeys.withPasskey();
    const login = await passkeys.atLogin();
    const { challenge } = optionsOf(ada.page);
    const page = await answer(login, ada.authenticator.get(login.options, { challenge }));
    expect(alertText(page)).toMatch(/too long/);
  });
});

test('a challenge is answered once, whichever process is asked', async () => {
  const ada = await passkeys.withPasskey();
  const login = await passkeys.atLogin();
  const replica = await passkeys.app.startReplica();
  const { action, hidden } = findForm(login.page, '/passkey');
  const credential = JSON.stringify(ada.authenticator.get(login.options));
  const body = new URLSearchParams({ ...hidden, credential }).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    origin: new URL(passkeys.app.issuer).origin,
    cookie: await login.visitor.jar.getCookieString(action),
  };
  const elsewhere = action.replace(/:\d+\//, `:${replica.port}/`);
  const send = (url: string) => fetch(url, { method: 'POST', body, headers, redirect: 'manual' });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => send(i % 2 ? elsewhere : action)),
  );
  await replica.stop();
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]));
  const { db } = passkeys.app.runtime.deps;
  const signIns = db('audit_events').where({ user_id: ada.user.id, type: 'sign_in.succeeded' });
  // One at the account, where the passkey was added, and one here.
  expect(await signIns).toHaveLength(2);
  const failures = db('audit_events').where({ user_id: ada.user.id, type: 'sign_in.failed' });
  expect(await failures).toEqual([]);
});

describe('a challenge', () => {
  const use = { purpose: 'get', request: 'some-uid' } as const;

  test.each([
    ['in its last second', 59, 'ok'],
    ['when its time is over', 60, 'expired'],
  ])('answered %s is %s', async (_, seconds, expected) => {
    const { deps, keyring } = passkeys.app.runtime;
    const begun = new Date(Math.floor(deps.now().getTime() / 1000) * 1000);
    const { randomBytes } = deps;
    const tools = { keys: keyring.challenges, randomBytes, now: () => begun, ttl: 60 };
    const challenge = issueChallenge(tools, use);
    const late = { ...tools, now: () => new Date(begun.getTime() + seconds * 1000) };
    const redeem = () => transaction(deps.db, (trx) => redeemChallenge(trx, late, use, challenge));
    expect(await redeem()).toBe(expected);
    expect(await redeem()).toBe(expected === 'ok' ? 'used' : expected);
  });

  test.each([
    ['another purpose', { purpose: 'create', request: 'some-uid' } as const],
    ['another request', { ...use, request: 'another-uid' }],
    ['a certain person', { ...use, userId: 'somebody' }],
  ])('is worth nothing for %s', async (_, other) => {
    const { deps, keyring } = passkeys.app.runtime;
    const { randomBytes, now } = deps;
    const tools = { keys: keyring.challenges, randomBytes, now, ttl: 60 };
    const challenge = issueChallenge(tools, use);
    const redeem = (as: ChallengeUse, value = challenge) =>
      transaction(deps.db, (trx) => redeemChallenge(trx, tools, as, value));
    expect(await redeem(other)).toBe('expired');
    expect(await redeem(use, `${challenge}=`)).toBe('expired');
    expect(
      await redeem(
        use,
        challenge.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
      ),
    ).toBe('expired');
    expect(await redeem(use)).toBe('ok');
  });
});

describe('a counter that goes back', () => {
  test.each([
    ['further than it was', 3],
    ['to where it was', 9],
    ['to none', 0],
  ])('%s is refused, recorded and told', async (_, counter) => {
    const ada = await passkeys.withPasskey({ counter: 1 });
    const login = await passkeys.atLogin();
    await answer(login, ada.authenticator.get(login.options, { counter: 9 }));
    const before = passkeys.mailbox.messages.length;
    const again = await passkeys.atLogin();
    const page = await answer(again, ada.authenticator.get(again.options, { counter }));
    expect(pageName(page)).toBe('login');
    expect(alertText(page)).toMatch(/a copy of it seems to be in use/);
    expect(await lastEvent(ada)).toMatchObject({ type: 'passkey.counter_regressed' });
    expect(Number((await passkeys.passkeysOf(ada))[0].sign_count)).toBe(9);
    await passkeys.mailbox.waitFor(
      ({ recipients, subject }) =>
        recipients.includes(ada.email) && /A passkey .* was refused/.test(String(subject)),
      { after: before },
    );
  });

  test('is no matter where the signature is wrong: nobody is frightened by a forgery', async () => {
    const ada = await passkeys.withPasskey({ counter: 5 });
    const login = await passkeys.atLogin();
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    await answer(login, ada.authenticator.get(login.options, { counter: 1, key }));
    expect(await lastEvent(ada)).toMatchObject({ type: 'sign_in.failed' });
  });
});

describe('as the second factor', () => {
  test('one of the person’s own is asked for and signs in', async () => {
    const ada = await passkeys.withPasskey();
    const second = await atSecondFactor(ada);
    const ids = ada.authenticator.credentials.map(({ id }) => id);
    expect(second.options.allowCredentials?.map(({ id }) => id)).toEqual(ids);
    expect(second.page.html).toContain('name="remember"');
    const end = await answer(second, ada.authenticator.get(second.options, { userHandle: null }));
    const { acr, amr } = await passkeys.claimsAt(end);
    expect(acr).toBe('phr');
    expect((amr as string[]).toSorted()).toEqual(['hwk', 'mfa', 'pwd', 'user']);
  });

  test('one of somebody else is refused', async () => {
    const [ada, eve] = [await passkeys.withPasskey(), await passkeys.withPasskey()];
    const second = await atSecondFactor(ada);
    const page = await answer(second, eve.authenticator.get(second.options));
    expect(pageName(page)).toBe('passkey');
    expect(alertText(page)).toMatch(/was refused/);
    expect(await lastEvent(ada)).toMatchObject({ data: { reason: 'wrong_passkey' } });
  });

  test('it has to verify its user', async () => {
    const ada = await passkeys.withPasskey();
    const second = await atSecondFactor(ada);
    const page = await answer(
      second,
      ada.authenticator.get(second.options, { userVerified: false }),
    );
    expect(pageName(page)).toBe('passkey');
  });

  test('a browser that is remembered isn’t asked again', async () => {
    const ada = await passkeys.withPasskey();
    const second = await atSecondFactor(ada);
    await answer(second, ada.authenticator.get(second.options), { remember: 'yes' });
    const again = await passkeys.atLogin({ prompt: 'login' }, second.visitor);
    const end = await again.visitor.submit(
      again.page,
      '/password',
      { password: PASSWORD },
      CALLBACK,
    );
    expect((await passkeys.claimsAt(end)).acr).toBe('urn:plinto:acr:1fa');
  });

  test('the password alone opens nothing', async () => {
    const ada: AtPasskeys = await passkeys.withPasskey();
    const { visitor } = await atSecondFactor(ada);
    const account = await visitor.open(`${passkeys.app.issuer}/account/passkeys`);
    expect(pageName(account)).toBe('login');
  });
});
