import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import {
  type Policies,
  type SignInOffers,
  updatePolicies,
} from '../../src/organizations/policies/update-policies.ts';
import { findOrganization, type Organization } from '../../src/organizations/store.ts';
import { openAccount, signInAgo } from '../account/account.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createOwner, type Owner, walkOn } from '../support/second-factors.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { join, newOrganization } from './organizations-app.ts';

const DEFAULTS = {
  mfa_required: false,
  sign_in_methods: null,
  session_seconds: null,
  members_may_invite: false,
  join_by_domain: false,
} as const satisfies Policies;

let app: TestApp;
let acme: Organization;
let owner: Owner;
let visitor: Visitor;

beforeAll(async () => {
  app = await startApp();
  owner = await createOwner(app);
  acme = await newOrganization(app, owner.user.id);
  ({ visitor } = await openAccount(app, owner.email));
});
afterAll(() => app.stop());

beforeEach(async () => {
  await db()('domains').delete();
  await set(DEFAULTS);
});

const db = () => app.runtime.deps.db;
const set = (policies: Partial<Policies>) =>
  db()('organizations').where({ id: acme.id }).update(policies);
const url = () => `${app.issuer}/account/organizations/${acme.slug}/policies`;
const saved = () => `${url()}?done=organization_policies`;

async function policies(): Promise<Policies> {
  const row = await db()('organizations').where({ id: acme.id }).first();
  return Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, row[name]])) as Policies;
}

async function changes(): Promise<string[][]> {
  const rows = await db()('audit_events')
    .where({ type: 'organization.policies_updated', organization_id: acme.id })
    .orderBy('id');
  return rows.map(({ data }) => data.fields);
}

async function save(typed: Record<string, string>, by = visitor): Promise<Page> {
  return by.submit(await by.open(url()), '/policies', typed);
}

const addDomain = (values: object = {}) =>
  db()('domains').insert({
    ...{ id: acme.id, organization_id: acme.id, name: 'acme.example', token: 'x' },
    ...{ verified_at: db().fn.now(), ...values },
  });

describe('the form', () => {
  test('changes everything at once, says what it is now and records what changed', async () => {
    await addDomain();
    const before = (await changes()).length;
    const typed = {
      method_password: 'yes',
      method_passkey: 'yes',
      session_hours: ' 12 ',
      members_may_invite: 'yes',
      join_by_domain: 'yes',
    };
    const page = await save(typed);
    expect(page.url).toBe(saved());
    expect(await policies()).toEqual({
      mfa_required: false,
      sign_in_methods: ['password', 'passkey'],
      session_seconds: 43_200,
      members_may_invite: true,
      join_by_domain: true,
    });
    for (const name of Object.keys(typed).filter((one) => one !== 'session_hours')) {
      expect(page.html).toMatch(new RegExp(`name="${name}" value="yes" checked`));
    }
    expect(page.html).toMatch(/name="session_hours"[^>]*\s+value="12"/);
    await save(typed);
    expect((await save({})).url).toBe(saved());
    expect(await policies()).toEqual(DEFAULTS);
    expect((await changes()).slice(before)).toEqual([
      ['sign_in_methods', 'session_seconds', 'members_may_invite', 'join_by_domain'],
      ['sign_in_methods', 'session_seconds', 'members_may_invite', 'join_by_domain'],
    ]);
  });

  test.each(['0', '8761', '-1', '1.5', '1e2', 'x', '٣', '12 34'])(
    'takes %j for no number of hours',
    async (session_hours) => {
      const page = await save({ session_hours, members_may_invite: 'yes' });
      expect(page.status).toBe(422);
      expect(alertText(page)).toMatch(/from 1 to 8760/);
      expect(page.html).toMatch(/name="members_may_invite" value="yes" checked/);
      expect(await policies()).toEqual(DEFAULTS);
    },
  );

  test('leaves a length alone that was set elsewhere to no whole hours', async () => {
    await set({ session_seconds: 1800 });
    const page = await visitor.open(url());
    expect(page.html).toMatch(/name="session_hours"[^>]*\s+value="0.5"/);
    await save({ session_hours: '0.5', members_may_invite: 'yes' });
    expect(await policies()).toMatchObject({ session_seconds: 1800, members_may_invite: true });
  });

  test.each([
    [{ method_password: 'yes', method_email: 'yes' }, /Nobody can sign in that way/],
    [{ join_by_domain: 'yes' }, /Verify a domain first/],
    [{ method_passkey: 'yes' }, /lock yourself out/],
    [{ mfa_required: 'yes' }, /turn on a second factor first/],
    [{ delete_after: '2020-01-01' }, /delete_after/],
    [{ sign_in_methods: 'password' }, /sign_in_methods/],
  ])('refuses %j', async (typed, words) => {
    const before = (await changes()).length;
    const page = await save(typed);
    expect([page.status, alertText(page)]).toEqual([422, expect.stringMatching(words)]);
    expect(await policies()).toEqual(DEFAULTS);
    expect(await changes()).toHaveLength(before);
  });

  test('explains that joining needs a verified domain, and keeps what was allowed before', async () => {
    await addDomain({ verified_at: null });
    expect(alertText(await save({ join_by_domain: 'yes' }))).toMatch(/Verify a domain first/);
    expect((await visitor.open(url())).html).toContain('This needs a verified domain');
    await set({ join_by_domain: true });
    expect((await save({ join_by_domain: 'yes' })).url).toBe(saved());
    await db()('domains').update({ verified_at: db().fn.now() });
    expect((await visitor.open(url())).html).not.toContain('This needs a verified domain');
  });

  test('asks for a sign-in of the last ten minutes before it changes anything', async () => {
    const page = await visitor.open(url());
    await signInAgo(app, owner.user.id, 601);
    const asked = await visitor.submit(page, '/policies', { members_may_invite: 'yes' });
    expect(pageName(asked)).toBe('password');
    expect(await policies()).toEqual(DEFAULTS);
    await signInAgo(app, owner.user.id, -601);
  });
});

describe('a second factor for everybody', () => {
  test('is asked for by who signed in with theirs, and then of every member', async () => {
    const careful = await createOwner(app, ['totp']);
    await join(app, acme.id, careful.user, 'owner');
    const browser = createVisitor();
    const { end } = await walkOn(app, careful, browser, await browser.open(url()));
    expect(pageName(end)).toBe('organization-policies');
    const page = await browser.submit(end, '/policies', { mfa_required: 'yes' });
    expect(page.url).toBe(saved());
    expect(await policies()).toMatchObject({ mfa_required: true });
    // Who has none turns one on to get back in.
    expect(pageName(await visitor.open(url()))).toBe('enrol-mfa');
  });
});

describe('who may not invite', () => {
  test.each(['members_may_invite', 'join_by_domain'])('can’t open by %s', async (rule) => {
    await addDomain();
    const { user, email } = await createOwner(app);
    const role = { id: user.id, organization_id: acme.id, key: `r${user.id}`, name: 'Rules' };
    await db()('roles').insert({ ...role, permissions: ['policies:manage'] });
    await join(app, acme.id, user);
    const { id: role_id } = role;
    await db()('membership_roles').insert({
      ...{ organization_id: acme.id, user_id: user.id, role_id, role_scope: acme.id },
    });
    const { visitor: other } = await openAccount(app, email);
    const page = await save({ [rule]: 'yes' }, other);
    expect([page.status, alertText(page)]).toEqual([422, expect.stringMatching(/may invite/)]);
    expect((await save({ session_hours: '8' }, other)).url).toBe(saved());
    await set({ [rule]: true });
    expect((await save({ [rule]: 'yes' }, other)).url).toBe(saved());
    expect(await policies()).toMatchObject({ [rule]: true });
  });
});

describe('an installation’s own command line', () => {
  const some: SignInOffers = { methods: ['password', 'passkey'], secondFactors: true };
  const none: SignInOffers = { methods: ['password'], secondFactors: false };
  const rows: [string, Partial<Policies>, SignInOffers, string | undefined][] = [
    ['passkeys only', { sign_in_methods: ['passkey'] }, some, undefined],
    ['a second factor', { mfa_required: true }, some, undefined],
    ['five minutes', { session_seconds: 300 }, some, undefined],
    ['invitations by members', { members_may_invite: true }, some, undefined],
    ['a second factor where there is none', { mfa_required: true }, none, 'mfa_not_offered'],
    [
      'mailed codes where there are none',
      { sign_in_methods: ['email'] },
      some,
      'method_not_offered',
    ],
    ['four minutes', { session_seconds: 240 }, some, 'session_invalid'],
    ['more than a year', { session_seconds: 31_536_001 }, some, 'session_invalid'],
    ['joining without a domain', { join_by_domain: true }, some, 'join_needs_domain'],
  ];

  test.each(rows)('sets %s, or says why not', async (_, change, offers, reason) => {
    const outcome = await transaction(db(), async (trx) => {
      const organization = (await findOrganization(trx, acme.id)) as Organization;
      const wanted = { ...DEFAULTS, ...change };
      return updatePolicies(trx, offers, SYSTEM, organization, wanted, undefined);
    });
    expect(outcome).toEqual(reason === undefined ? { ok: true } : { ok: false, reason });
    expect(await policies()).toEqual({ ...DEFAULTS, ...(reason === undefined && change) });
  });
});
