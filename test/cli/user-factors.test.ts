import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { transaction } from '../../src/db/pool.ts';
import { triesKey } from '../../src/mfa/tries.ts';
import { reserve } from '../../src/throttle/throttle.ts';
import { type AccountApp, startAccountApp } from './account-app.ts';
import { expectFailure, jsonOf, plintoOn } from './plinto.ts';

let at: AccountApp;
let people = 0;

beforeAll(async () => {
  at = await startAccountApp();
});
afterAll(() => at.stop());

type Person = { id: string; email: string };

const uuidOf = (n: number) => `019e0000-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** Somebody who signed in, and then got every factor, recovery codes and a remembered browser. */
async function newPerson(): Promise<Person> {
  people += 1;
  const email = `person${people}@example.com`;
  const { id } = await at.app.createUser({ email });
  expect(await at.signIn(email)).toBe('signed in');
  await haveFactors(id, email);
  return { id, email };
}

async function haveFactors(id: string, email: string): Promise<void> {
  const { db } = at.app.runtime.deps;
  const owner = { user_id: id };
  await db('totp_credentials').insert({
    ...owner,
    id: uuidOf(people),
    secret: 'sealed-secret',
    created_at: '2026-01-02T03:04:05Z',
    last_used_at: '2026-02-03T04:05:06Z',
  });
  await db('totp_enrolments').insert({
    ...owner,
    request_hash: hashToken(email),
    secret: 'sealed-enrolment',
    expires_at: db.raw("now() + interval '1 hour'"),
  });
  await db('passkeys').insert({
    ...owner,
    id: uuidOf(people),
    credential_id: `credential-${people}`,
    public_key: Buffer.from('key'),
    aaguid: uuidOf(0),
    backup_eligible: true,
    backed_up: true,
    name: 'Phone\x1b[31m',
    created_at: '2026-01-02T03:04:05Z',
  });
  await db('message_factors').insert({ ...owner, channel: 'sms' });
  await db('recovery_codes').insert(
    ['one', 'two', 'three'].map((code, i) => ({
      ...owner,
      hash: hashToken(`${email} ${code}`),
      used_at: i === 0 ? db.fn.now() : null,
    })),
  );
  await db('trusted_devices').insert({
    ...owner,
    id: uuidOf(people),
    token_hash: hashToken(email),
    expires_at: db.raw("now() + interval '1 day'"),
  });
}

/** How many of each are left of a person. */
async function leftOf({ id }: Person): Promise<Record<string, number>> {
  const { db } = at.app.runtime.deps;
  const count = async (table: string, expired = false) => {
    const rows = await db(table).where({ user_id: id });
    return rows.filter((row) => !expired || row.expires_at > new Date()).length;
  };
  return {
    totp: await count('totp_credentials'),
    shown: await count('totp_enrolments'),
    passkeys: await count('passkeys'),
    sms: await count('message_factors'),
    codes: await count('recovery_codes'),
    browsers: await count('trusted_devices', true),
  };
}

const NOTHING = { totp: 0, shown: 0, passkeys: 0, sms: 0, codes: 0, browsers: 0 };
const EVERYTHING = { totp: 1, shown: 1, passkeys: 1, sms: 1, codes: 3, browsers: 1 };

/** In how many browsers a person is signed in. */
async function sessionsOf({ id }: Person): Promise<number> {
  return (await at.app.runtime.deps.db('oidc_sessions').where({ account_id: id })).length;
}

/** Whether one more wrong code of a browser that was never seen is taken at once. */
async function mayTry({ id }: Person): Promise<boolean> {
  const { db } = at.app.runtime.deps;
  return transaction(db, async (trx) => {
    const { ok } = await reserve(trx, [await triesKey(trx, id, undefined)]);
    return ok;
  });
}

describe('plinto user reset-mfa', () => {
  test('takes everything away, signs the person out everywhere and tells them', async () => {
    const ada = await newPerson();
    const bob = await newPerson();
    while (await mayTry(ada));
    expect(await sessionsOf(ada)).toBe(1);

    const done = await at.user(['reset-mfa', ada.email]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain(`from ${ada.email}: recovery-codes, passkey, totp, sms.`);
    expect(done.stdout).toContain(`A mail tells them, at ${ada.email}.`);

    expect(await leftOf(ada)).toEqual(NOTHING);
    expect((await at.find(ada.id))?.factors).toEqual([]);
    expect(await sessionsOf(ada)).toBe(0);
    expect(await mayTry(ada)).toBe(true);
    const mail = await at.mailbox.waitFor(ada.email);
    expect(mail.subject).toBe('Your sign-in methods for Plinto were reset');
    expect(mail.text).toContain(`${at.app.issuer}/account/password`);
    expect(await at.auditedOf(ada.id)).toEqual([
      { type: 'mfa.reset', data: { factors: ['recovery-codes', 'passkey', 'totp', 'sms'] } },
    ]);
    // The password works as before, and is all it takes.
    expect(await at.signIn(ada.email)).toBe('signed in');

    expect(await leftOf(bob)).toEqual(EVERYTHING);
    expect(await sessionsOf(bob)).toBe(1);
  });

  test('can be of one factor: the others stay, remembered browsers and sessions go', async () => {
    const person = await newPerson();
    const said = await jsonOf(at.user(['reset-mfa', person.id, '--factor', 'totp', '--json']));
    expect(said).toEqual({ id: person.id, reset: ['totp'] });
    expect(await leftOf(person)).toEqual({ ...EVERYTHING, totp: 0, shown: 0, browsers: 0 });
    expect((await at.find(person.id))?.factors).toEqual(['passkey', 'sms']);
    expect(await sessionsOf(person)).toBe(0);
    const codes = ['reset-mfa', person.id, '--factor', 'recovery-codes', '--json'];
    expect(await jsonOf(at.user(codes))).toMatchObject({ reset: ['recovery-codes'] });
    expect(await leftOf(person)).toEqual({ ...NOTHING, passkeys: 1, sms: 1 });
  });

  test('changes nothing where there is nothing to take away', async () => {
    const person = await newPerson();
    const { db } = at.app.runtime.deps;
    const email = ['reset-mfa', person.email, '--factor', 'email'];
    expect(await at.user(email)).toMatchObject({
      code: 0,
      stdout: `${person.email} has no email: nothing was changed.\n`,
    });
    expect(await leftOf(person)).toEqual(EVERYTHING);
    expect(await sessionsOf(person)).toBe(1);
    expect(await at.auditedOf(person.id)).toEqual([]);
    await jsonOf(at.user(['reset-mfa', person.email, '--json']));
    const again = await jsonOf(at.user(['reset-mfa', person.email, '--json']));
    expect(again).toEqual({ id: person.id, reset: [] });
    const told = db('audit_events').where({ user_id: person.id, type: 'mfa.reset' });
    expect(await told).toHaveLength(1);
  });

  test('says so where no mail can tell the person', async () => {
    const person = await newPerson();
    const silent = plintoOn(at.app.database, { ISSUER: at.app.issuer });
    const { stdout } = await silent(['user', 'reset-mfa', person.email]);
    expect(stdout).toContain('No mail tells them: do so yourself.');
    expect(await leftOf(person)).toEqual(NOTHING);
  });

  test.each<[string[], RegExp]>([
    [['reset-mfa', 'nobody'], /there is no user nobody/],
    [['reset-mfa', 'nobody', '--factor', 'password'], /recovery-codes, passkey, totp, sms, email/],
  ])('%j is refused', (args, says) => expectFailure(at.user(args), says, args.length > 2 ? 2 : 1));
});

describe('plinto user show', () => {
  test('tells second factors, when each was last used, and what is left of the rest', async () => {
    const person = await newPerson();
    const { mfa } = await jsonOf(at.user(['show', person.email, '--json']));
    expect(mfa).toEqual({
      factors: [
        {
          factor: 'totp',
          created_at: '2026-01-02T03:04:05.000Z',
          last_used_at: '2026-02-03T04:05:06.000Z',
        },
        {
          factor: 'passkey',
          name: 'Phone\x1b[31m',
          created_at: '2026-01-02T03:04:05.000Z',
          last_used_at: null,
        },
        { factor: 'sms', created_at: expect.any(String), last_used_at: null },
      ],
      recovery_codes: {
        left: 2,
        created_at: expect.any(String),
        last_used_at: expect.any(String),
      },
      remembered_browsers: 1,
    });
    const { stdout } = await at.user(['show', person.email]);
    for (const line of [
      'totp, added 2026-01-02T03:04:05Z, last used 2026-02-03T04:05:06Z',
      'passkey "Phone\ufffd[31m", added 2026-01-02T03:04:05Z, never used',
      'recovery codes left: 2',
      'browsers remembered: 1',
    ]) {
      expect(stdout.split('\n')).toContain(line);
    }
    for (const secret of ['sealed', `credential-${people}`]) {
      expect(JSON.stringify(mfa) + stdout).not.toContain(secret);
    }
  });

  test('says so of who has none', async () => {
    await at.app.createUser({ email: 'plain@example.com' });
    const { stdout } = await at.user(['show', 'plain@example.com']);
    expect(stdout).toMatch(/^no second factor$/m);
  });
});
