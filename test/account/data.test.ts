import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, redeem } from '../support/authorization.ts';
import { createVisitor, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

/** Where in the file what a table holds of a person is. */
const EXPORTED: Record<string, string> = {
  users: 'user',
  passwords: 'password',
  pictures: 'picture',
  known_devices: 'devices',
  sign_ins: 'sign_ins',
  consents: 'consents',
  one_time_codes: 'one_time_codes',
  totp_credentials: 'authenticator_apps',
  totp_enrolments: 'unconfirmed_authenticator_apps',
  passkeys: 'passkeys',
  recovery_codes: 'recovery_codes',
  recovery_code_drafts: 'unconfirmed_recovery_codes',
  message_factors: 'codes_by_message',
  trusted_devices: 'remembered_browsers',
  factor_recoveries: 'recoveries_of_lost_factors',
  oidc_grants: 'grants',
  oidc_sessions: 'sessions',
  oidc_refresh_tokens: 'refresh_tokens',
  oidc_artifacts: 'tokens_and_codes',
  audit_events: 'activity',
  memberships: 'memberships',
  invitations: 'invitations_to_organizations',
  organization_consents: 'consents_in_organizations',
};

/** Tables with a user that are left out of the file, and why. */
const LEFT_OUT: Record<string, string> = {
  membership_roles: 'told with the memberships',
  invitation_results: 'for an hour, sealed: what became of a form, told with the invitations',
};

let app: TestApp;
let user: User;
let visitor: Visitor;

beforeAll(async () => {
  app = await startApp();
  user = await app.createUser();
  ({ visitor } = await openAccount(app, 'ada@example.com', '/account/data'));
});
afterAll(() => app.stop());

async function download(by = visitor): Promise<Record<string, unknown>> {
  const page = await by.open(`${app.issuer}/account/data`);
  expect(pageName(page)).toBe('account-data');
  const file = await by.submit(page, '/data');
  expect(file.headers.get('content-disposition')).toBe('attachment; filename="my-data.json"');
  expect(file.headers.get('content-type')).toContain('application/json');
  expect(file.headers.get('cache-control')).toBe('no-store');
  return JSON.parse(file.html);
}

/** Fills every table with something of the person. */
async function live(): Promise<void> {
  const { db } = app.runtime.deps;
  const party = await app.createClient({ firstParty: false });
  const scope = { scope: 'openid offline_access', prompt: 'consent' };
  const consent = await visitor.open(authorizationUrl(app, party.client.id, scope), CALLBACK);
  const back = await visitor.submit(consent, '/consent', {}, CALLBACK);
  const code = new URL(back.url).searchParams.get('code') ?? '';
  expect((await redeem(app, party, code)).status).toBe(200);
  await transaction(db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name: 'Acme', ownerId: user.id });
    if (!made.ok) throw new Error(made.reason);
    await trx('invitations').insert({
      id: '019e0000-0000-7000-8000-000000000003',
      organization_id: made.organization.id,
      email: 'invited@example.com',
      token_hash: Buffer.from('invitation-hash'),
      mailed: true,
      message: 'Come and join us',
      invited_by: user.id,
      requested_by: user.id,
      expires_at: trx.raw("now() + interval '7 days'"),
    });
    const membership = { organization_id: made.organization.id, user_id: user.id };
    const agreed = { client_id: party.client.id, scopes: '{email}' };
    await trx('organization_consents').insert({ ...membership, ...agreed });
    await trx('pictures').insert({ id: 'picture-id', user_id: user.id, content: 'pixels' });
    await trx('one_time_codes').insert({
      id: '019e0000-0000-7000-8000-000000000001',
      purpose: 'change-email',
      hash: 'the-hash-of-a-link',
      code_hash: 'the-hash-of-a-code',
      user_id: user.id,
      address: 'new@example.com',
      expires_at: trx.raw("now() + interval '1 hour'"),
    });
    await haveFactors(trx);
  });
}

/** What of a factor must not leave with the file. */
const OF_FACTORS = [
  'sealed-secret',
  'sealed-enrolment',
  'sealed-codes',
  'credential-of-ada',
  ...['public-key', 'recovery-hash', 'token-hash', 'link-hash', 'invitation-hash'].flatMap(
    (text) => [Buffer.from(text).toString('hex'), Buffer.from(text).toString('base64')],
  ),
];

/** Gives the person every factor, at once and as it lies in the tables. */
async function haveFactors(trx: Trx): Promise<void> {
  const owner = { user_id: user.id };
  const soon = { expires_at: trx.raw("now() + interval '1 hour'") };
  const request_hash = Buffer.from('request-hash');
  const id = '019e0000-0000-7000-8000-000000000002';
  await trx('totp_credentials').insert({ ...owner, id, secret: 'sealed-secret' });
  await trx('totp_enrolments').insert({
    ...owner,
    ...soon,
    request_hash,
    secret: 'sealed-enrolment',
  });
  await trx('recovery_codes').insert({ ...owner, hash: Buffer.from('recovery-hash') });
  await trx('recovery_code_drafts').insert({
    ...owner,
    ...soon,
    request_hash,
    codes: 'sealed-codes',
  });
  await trx('passkeys').insert({
    ...owner,
    id,
    credential_id: 'credential-of-ada',
    public_key: Buffer.from('public-key'),
    aaguid: id,
    backup_eligible: true,
    backed_up: false,
    name: 'Ada’s phone',
  });
  await trx('message_factors').insert({ ...owner, channel: 'sms' });
  await trx('factor_recoveries').insert({
    ...owner,
    ...soon,
    token_hash: Buffer.from('link-hash'),
    ready_at: trx.fn.now(),
  });
  await trx('trusted_devices').insert({
    ...owner,
    ...soon,
    id,
    token_hash: Buffer.from('token-hash'),
    place: 'Lisbon',
  });
  // What is dangerous takes a sign-in with one of them.
  await trx('oidc_sessions')
    .where({ account_id: user.id })
    .update({
      payload: trx.raw(`jsonb_set(payload::jsonb, '{acr}', '"urn:plinto:acr:2fa"')`),
    });
}

describe('the file', () => {
  test('has something of every table that names users, but for those left out for a reason', async () => {
    const { rows } = await app.runtime.deps.db.raw(
      `SELECT DISTINCT c.table_name FROM information_schema.columns c
       JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
         AND c.column_name ~ '(^|_)(user|account|person|subject)_id$'
       UNION SELECT conrelid::regclass::text FROM pg_constraint WHERE confrelid = 'users'::regclass
       UNION SELECT 'users'`,
    );
    const tables = rows.map((row: { table_name: string }) => row.table_name);
    expect(tables.sort()).toEqual([...Object.keys(EXPORTED), ...Object.keys(LEFT_OUT)].sort());
    await live();
    const data = await download();
    expect(Object.keys(data).sort()).toEqual(['exported_at', ...Object.values(EXPORTED)].sort());
    for (const name of Object.values(EXPORTED)) {
      expect(data[name], name).not.toBeNull();
      if (Array.isArray(data[name])) expect(data[name], name).not.toEqual([]);
    }
    expect(data).toMatchObject({
      user: {
        email: 'ada@example.com',
        name: 'Ada Lovelace',
        factors: ['passkey', 'sms', 'totp'],
      },
      picture: { content: Buffer.from('pixels').toString('base64') },
      one_time_codes: [{ purpose: 'change-email', address: 'new@example.com' }],
      sign_ins: [{ amr: ['pwd'], ip: '127.0.0.1' }],
      authenticator_apps: [{ algorithm: 'sha1', digits: 6, last_used_at: null }],
      passkeys: [{ name: 'Ada’s phone', backup_eligible: true }],
      recovery_codes: [{ used_at: null }],
      codes_by_message: [{ channel: 'sms' }],
      remembered_browsers: [{ place: 'Lisbon' }],
      memberships: [{ slug: 'acme', status: 'active', source: 'created', roles: ['owner'] }],
      invitations_to_organizations: [
        {
          ...{ slug: 'acme', email: 'invited@example.com', message: 'Come and join us' },
          ...{ status: 'pending', you: ['invited', 'asked'] },
        },
      ],
    });
  });

  test('has every column of the person’s own row', async () => {
    const { user: row } = (await download()) as { user: object };
    const columns = await app.runtime.deps.db('users').columnInfo();
    expect(Object.keys(row).sort()).toEqual(Object.keys(columns).sort());
  });

  test('security 5: has no hash, secret or id that opens anything', async () => {
    const text = JSON.stringify(await download());
    const { db } = app.runtime.deps;
    const [password] = await db('passwords').where({ user_id: user.id });
    for (const secret of ['$argon2', password.hash, 'the-hash-of-a-link', 'the-hash-of-a-code']) {
      expect(text).not.toContain(secret);
    }
    for (const secret of OF_FACTORS) expect(text).not.toContain(secret);
    for (const table of ['oidc_sessions', 'oidc_refresh_tokens', 'oidc_artifacts']) {
      for (const { id } of await db(table)) {
        expect(text).not.toContain(id.toString('base64'));
        expect(text).not.toContain(id.toString('hex'));
      }
    }
  });

  test('is of nobody else', async () => {
    const bob = await app.createUser({ email: 'bob@example.com', profile: { name: 'Bob' } });
    const theirs = await openAccount(app, 'bob@example.com', '/account/data');
    const text = JSON.stringify(await download(theirs.visitor));
    expect(text).toContain(bob.id);
    for (const other of [user.id, 'ada@example.com', 'Lovelace', 'new@example.com']) {
      expect(text).not.toContain(other);
    }
  });

  test('is noted in the log, and the note is in the file', async () => {
    const before = (await eventsOf(app, user.id)).filter((type) => type === 'user.exported');
    const { activity } = (await download()) as { activity: { type: string }[] };
    const after = (await eventsOf(app, user.id)).filter((type) => type === 'user.exported');
    expect(after.length - before.length).toBe(1);
    expect(activity[0]?.type).toBe('user.exported');
  });
});

test('takes a fresh sign-in, and comes back to the page after it', async () => {
  const { db } = app.runtime.deps;
  const eve = await app.createUser({ email: 'eve@example.com' });
  const stale = (await openAccount(app, 'eve@example.com', '/account/data')).visitor;
  for (const row of await db('oidc_sessions').where({ account_id: eve.id })) {
    const payload = { ...row.payload, loginTs: row.payload.loginTs - 601 };
    await db('oidc_sessions').where({ id: row.id }).update({ payload });
  }
  const page = await stale.open(`${app.issuer}/account/data`);
  const asked = await stale.submit(page, '/data');
  expect(pageName(asked)).toBe('password');
  const back = await stale.submit(asked, '/password', { password: PASSWORD });
  expect(back.url).toBe(`${app.issuer}/account/data`);
  const direct = await createVisitor().request(`${app.issuer}/account/data/download`);
  expect(direct.status).toBe(303);
});
