import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { CALLBACK, PASSWORD, SECRET } from '../support/app.ts';
import type { Quirks } from '../support/authenticator.ts';
import { alertText, pageName } from '../support/visitor.ts';
import { answer, optionsOf, type PasskeyApp, type Person, startPasskeyApp } from './passkey-app.ts';

const YUBIKEY = '2fc0579f-8113-47ea-b116-bb5a8db9202a';
const RELATED = 'https://shop.example';
/** As an authenticator of an allowed model makes one. */
const ALLOWED: Quirks = { aaguid: YUBIKEY };

let passkeys: PasskeyApp;
beforeAll(async () => {
  passkeys = await startPasskeyApp({
    MFA: 'required',
    PASSKEY_ORIGINS: RELATED,
    PASSKEY_AAGUIDS: YUBIKEY,
  });
});
afterAll(() => passkeys.stop());

/** Somebody whose password is proven and who needs a passkey now. */
async function atEnrolment(person: Person) {
  const { visitor, page } = await passkeys.atLogin({ acr_values: 'phr' });
  const fields = { identifier: person.email, password: PASSWORD };
  const enrolment = await visitor.submit(page, '/login', fields, CALLBACK);
  expect(pageName(enrolment)).toBe('enrol-passkey');
  return { visitor, page: enrolment, options: optionsOf(enrolment) };
}

async function enrol(person: Person, quirks: Quirks = ALLOWED) {
  const { visitor, page, options } = await atEnrolment(person);
  const credential = JSON.stringify(person.authenticator.create(options, quirks));
  return { visitor, page: await visitor.submit(page, '/enrol-passkey', { credential }, CALLBACK) };
}

describe('where a second factor is required', () => {
  test('a passkey is made in the sign-in, and recovery codes with it', async () => {
    const ada = await passkeys.newPerson();
    const { page } = await enrol(ada);
    expect(pageName(page)).toBe('recovery-codes');
    expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
  });

  test('the last one can’t be deleted', async () => {
    const ada = await passkeys.newPerson();
    await enrol(ada);
    const login = await passkeys.atLogin();
    await answer(login, ada.authenticator.get(login.options));
    const page = await login.visitor.open(`${passkeys.app.issuer}/account/passkeys`);
    const refused = await login.visitor.submit(page, '/passkeys/remove');
    expect([refused.status, alertText(refused)]).toEqual([
      422,
      expect.stringMatching(/second factor/),
    ]);
    expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
  });
});

describe('models that passkeys may be kept in', () => {
  test('are asked for by attestation, and others are refused', async () => {
    const ada = await passkeys.newPerson();
    expect((await atEnrolment(ada)).options).toMatchObject({ attestation: 'direct' });
    for (const quirks of [{}, { aaguid: 'bada5566-a7aa-401f-bd96-45619a55120d' }]) {
      const { page } = await enrol(ada, quirks);
      expect(pageName(page)).toBe('enrol-passkey');
      expect(alertText(page)).toMatch(/can’t be kept in that device/);
    }
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
  });
});

describe('an origin that shares the passkeys', () => {
  test('is told to browsers', async () => {
    const answered = await fetch(`${passkeys.app.issuer}/.well-known/webauthn`);
    expect(answered.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await answered.json()).toEqual({ origins: [passkeys.app.issuer, RELATED] });
  });

  test.each([
    ['the one that is configured', RELATED, true],
    ['its own subdomain', 'https://www.shop.example', false],
    ['the same without TLS', 'http://shop.example', false],
    ['one that only begins alike', `${RELATED}.evil.example`, false],
  ])('is %s', async (_, origin, accepted) => {
    const ada = await passkeys.newPerson();
    await enrol(ada);
    const login = await passkeys.atLogin();
    const page = await answer(login, ada.authenticator.get(login.options, { origin }));
    expect(page.url.includes('code=')).toBe(accepted);
    expect(pageName(page)).toBe(accepted ? undefined : 'login');
  });

  test('may make them, too', async () => {
    const ada = await passkeys.newPerson();
    const { page } = await enrol(ada, { ...ALLOWED, origin: RELATED });
    expect(pageName(page)).toBe('recovery-codes');
  });
});

test.each([
  ['http://127.0.0.1:3000', ['totp']],
  ['http://[::1]:3000', ['totp']],
  ['https://id.example', ['passkey', 'totp']],
])('at %s second factors are %j: a number is no domain', (ISSUER, factors) => {
  const config = parseConfig({ ISSUER, PLINTO_SECRET: SECRET });
  expect(config.mfa.factors).toEqual(factors);
});
