import { decodeAttestationObject, isoCBOR } from '@simplewebauthn/server/helpers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventsOf } from '../account/account.ts';
import type { Quirks } from '../support/authenticator.ts';
import { alertText, findForm, pageName } from '../support/visitor.ts';
import {
  type AtPasskeys,
  add,
  optionsOf,
  type PasskeyApp,
  startPasskeyApp,
} from './passkey-app.ts';

let passkeys: PasskeyApp;
beforeAll(async () => {
  passkeys = await startPasskeyApp();
});
afterAll(() => passkeys.stop());

const newcomer = async () => passkeys.atPasskeys(await passkeys.newPerson());
const idOf = ({ authenticator }: AtPasskeys) => String(authenticator.credentials.at(-1)?.id);

test('a passkey is added, listed, told by mail and recorded', async () => {
  const before = passkeys.mailbox.messages.length;
  const ada = await passkeys.withPasskey({
    aaguid: 'bada5566-a7aa-401f-bd96-45619a55120d',
    synced: true,
  });
  expect(ada.page.status).toBe(200);
  expect(ada.page.html).toContain('The passkey was added.');
  expect(ada.page.html).toContain('1Password');
  expect(ada.page.html).toContain('Synced to your devices');
  const [row] = await passkeys.passkeysOf(ada);
  expect(row).toMatchObject({ backup_eligible: true, backed_up: true, last_used_at: null });
  expect(await eventsOf(passkeys.app, ada.user.id)).toEqual(['factor.added']);
  const mail = await passkeys.mailbox.waitFor(ada.email, { after: before });
  expect(mail.text).toMatch(/passkey/i);
});

test('one of which neither model nor browser is known has a plain name, and is made for this person alone', async () => {
  const ada = await newcomer();
  const options = optionsOf(ada.page) as Record<string, unknown>;
  expect(options).toMatchObject({
    rp: { id: 'localhost' },
    user: {
      id: Buffer.from(ada.user.id.replaceAll('-', ''), 'hex').toString('base64url'),
      name: ada.email,
      displayName: 'Ada Lovelace',
    },
    excludeCredentials: [],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    attestation: 'none',
  });
  const page = await add(ada);
  expect((await passkeys.passkeysOf(ada))[0].name).toBe('Passkey');
  expect(optionsOf(page).excludeCredentials).toMatchObject([{ id: idOf(ada) }]);
});

test('security 28: of an attestation’s certificates none is looked at, nor fetched what they name', async () => {
  const ada = await newcomer();
  const made = ada.authenticator.create(optionsOf(ada.page));
  const object = decodeAttestationObject(
    new Uint8Array(Buffer.from(String(made.response.attestationObject), 'base64url')),
  );
  const attested = new Map<string, unknown>([
    ['fmt', 'android-key'],
    ['attStmt', new Map<string, unknown>([['x5c', [new Uint8Array([1, 2, 3])]]])],
    ['authData', object.get('authData')],
  ]);
  const encoded = isoCBOR.encode(attested as Parameters<typeof isoCBOR.encode>[0]);
  made.response.attestationObject = Buffer.from(encoded).toString('base64url');
  const page = await ada.visitor.submit(ada.page, '/passkeys/add', {
    credential: JSON.stringify(made),
  });
  expect(page.url).toContain('done=passkey_added');
});

describe('a passkey is refused', () => {
  const elsewhere = 'https://evil.example';
  const refusals: [string, Quirks][] = [
    ['that was made at another origin', { origin: elsewhere }],
    ['in a frame of another site', { crossOrigin: true }],
    ['for another RP ID', { rpId: 'evil.example' }],
    ['without user verification', { userVerified: false }],
    ['with nobody present', { userPresent: false }],
    ['that answers another challenge', { challenge: 'AAAA' }],
    ['that was used, not made', { type: 'webauthn.get' }],
  ];

  test.each(refusals)('%s', async (_, quirks) => {
    const ada = await newcomer();
    const page = await add(ada, quirks);
    expect(page.status).toBe(422);
    expect(alertText(page)).toMatch(/try again/i);
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
    expect(await eventsOf(passkeys.app, ada.user.id)).toEqual([]);
  });

  test.each(['', '{}', 'null', '{"id":1}', '[[[', '{"id":"a\\u0000"}'])(
    '%j',
    async (credential) => {
      const ada = await newcomer();
      const page = await ada.visitor.submit(ada.page, '/passkeys/add', { credential });
      expect(page.status).toBe(422);
      expect(await passkeys.passkeysOf(ada)).toEqual([]);
    },
  );

  test('whose challenge another person was given', async () => {
    const [ada, bob] = [await newcomer(), await newcomer()];
    const credential = JSON.stringify(bob.authenticator.create(optionsOf(bob.page)));
    const page = await ada.visitor.submit(ada.page, '/passkeys/add', { credential });
    expect(page.status).toBe(422);
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
  });

  test('that somebody else has, without saying so', async () => {
    const bob = await passkeys.withPasskey();
    const ada = await newcomer();
    const page = await add(ada, { credentialId: idOf(bob) });
    expect(page.status).toBe(422);
    expect(alertText(page)).toBe('That passkey can’t be added. Create a new one.');
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
    expect(await passkeys.passkeysOf(bob)).toHaveLength(1);
  });

  test('beyond twenty', async () => {
    const ada = await passkeys.withPasskey();
    const { db } = passkeys.app.runtime.deps;
    const [{ id: _id, ...row }] = await passkeys.passkeysOf(ada);
    const open = await ada.visitor.open(ada.page.url);
    const more = Array.from({ length: 19 }, (_, i) => ({
      ...row,
      id: crypto.randomUUID(),
      credential_id: `${row.credential_id}${i}`,
    }));
    await db('passkeys').insert(more);
    const page = await add({ ...ada, page: open });
    expect(page.status).toBe(422);
    expect(await passkeys.passkeysOf(ada)).toHaveLength(20);
    expect(page.html).not.toContain('data-passkey=');
  });
});

test('security 34: the form that adds one sent ten times makes one passkey', async () => {
  const ada = await newcomer();
  const credential = JSON.stringify(ada.authenticator.create(optionsOf(ada.page)));
  const { action, hidden } = findForm(ada.page, '/passkeys/add');
  const body = new URLSearchParams({ ...hidden, credential }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      ada.visitor.request(action, { method: 'POST', body, headers }),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]));
  expect(new Set(answers.map((one) => one.headers.get('location'))).size).toBe(1);
  expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
  expect(await eventsOf(passkeys.app, ada.user.id)).toEqual(['factor.added']);
});

describe('a name', () => {
  test('is changed once, whatever is in it stays text', async () => {
    const ada = await passkeys.withPasskey();
    const fields = { name: '  <b>Work\u0007 laptop</b>  ' };
    const page = await ada.visitor.submit(ada.page, '/passkeys/rename', fields);
    await ada.visitor.submit(ada.page, '/passkeys/rename', fields);
    expect(page.html).toContain('The passkey has a new name.');
    expect(page.html).toContain('&lt;b&gt;Work laptop&lt;/b&gt;');
    expect((await passkeys.passkeysOf(ada))[0].name).toBe('<b>Work laptop</b>');
    expect(await eventsOf(passkeys.app, ada.user.id)).toEqual(['factor.added', 'passkey.renamed']);
  });

  test('can’t be empty', async () => {
    const ada = await passkeys.withPasskey();
    const page = await ada.visitor.submit(ada.page, '/passkeys/rename', { name: ' \u0007 ' });
    expect([page.status, alertText(page)]).toEqual([422, 'Give the passkey a name.']);
  });

  test('is cut where it is endless', async () => {
    const ada = await passkeys.withPasskey();
    await ada.visitor.submit(ada.page, '/passkeys/rename', { name: '🔑'.repeat(100) });
    expect((await passkeys.passkeysOf(ada))[0].name).toBe('🔑'.repeat(64));
  });
});

describe('a passkey is deleted', () => {
  test('once, told, recorded, and the password manager hears of it', async () => {
    const ada = await passkeys.withPasskey();
    const before = passkeys.mailbox.messages.length;
    const pages = [];
    for (const _ of [1, 2]) pages.push(await ada.visitor.submit(ada.page, '/passkeys/remove'));
    const [first, second] = pages;
    expect(first?.html).toContain('The passkey was deleted.');
    expect(second?.url).toBe(first?.url);
    expect(await passkeys.passkeysOf(ada)).toEqual([]);
    expect(await eventsOf(passkeys.app, ada.user.id)).toEqual(['factor.added', 'factor.removed']);
    expect(first?.html).toContain('signalUnknownCredential');
    expect(first?.html).toContain(idOf(ada));
    const removed = (m: { recipients: string[]; subject?: string }) =>
      m.recipients.includes(ada.email) && /removed|turned off|deleted/i.test(String(m.subject));
    await passkeys.mailbox.waitFor(removed, { after: before });
  });

  test('but an address can’t make a password manager forget one that works', async () => {
    const ada = await passkeys.withPasskey();
    const url = `${passkeys.app.issuer}/account/passkeys?gone=${idOf(ada)}`;
    expect((await ada.visitor.open(url)).html).not.toContain('signalUnknownCredential');
  });

  test('but not the last one of somebody who has no other way in', async () => {
    const ada = await passkeys.withPasskey();
    const { db } = passkeys.app.runtime.deps;
    await db('passwords').where({ user_id: ada.user.id }).delete();
    await db('users').where({ id: ada.user.id }).update({ email: null, username: ada.user.id });
    const page = await ada.visitor.submit(ada.page, '/passkeys/remove');
    expect(page.status).toBe(422);
    expect(alertText(page)).toMatch(/only way to sign in/);
    expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
  });

  test('but not the last second factor of an administrator', async () => {
    const ada = await passkeys.withPasskey();
    const { db } = passkeys.app.runtime.deps;
    await db('users').where({ id: ada.user.id }).update({ administrator: true });
    const page = await ada.visitor.submit(ada.page, '/passkeys/remove');
    expect(page.status).toBe(422);
    expect(alertText(page)).toMatch(/second factor/);
    expect(await passkeys.passkeysOf(ada)).toHaveLength(1);
  });
});

test.each(['rename', 'remove'])(
  'security 24: to %s somebody else’s passkey is not found, and does nothing',
  async (action) => {
    const [ada, bob] = [await passkeys.withPasskey(), await passkeys.withPasskey()];
    const before = await passkeys.passkeysOf(bob);
    const fields = { passkey: idOf(bob), name: 'Mine now' };
    const page = await ada.visitor.submit(ada.page, `/passkeys/${action}`, fields);
    expect([page.status, pageName(page)]).toEqual([404, 'error']);
    expect(await passkeys.passkeysOf(bob)).toEqual(before);
  },
);

test('password managers find the page', async () => {
  const { issuer } = passkeys.app;
  const answer = await fetch(`${issuer}/.well-known/passkey-endpoints`);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  const page = `${issuer}/account/passkeys`;
  expect(await answer.json()).toEqual({ enroll: page, manage: page });
  // There are no others to share passkeys with.
  expect((await fetch(`${issuer}/.well-known/webauthn`)).status).toBe(404);
});
