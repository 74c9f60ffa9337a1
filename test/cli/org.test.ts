import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { twoHalves } from '../account/images.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { ACTOR, expectFailure, jsonOf, type Outcome, plintoOn } from './plinto.ts';

let mailbox: Mailbox;
let app: TestApp;
let org: ReturnType<typeof plintoOn>;
let user: ReturnType<typeof plintoOn>;
let ada: User;
let bob: User;
let dns: DnsServer;

beforeAll(async () => {
  [mailbox, dns] = await Promise.all([startMailbox(), startDnsServer()]);
  app = await startApp({ SMTP_URL: mailbox.url });
  const settings = { ISSUER: app.issuer, SMTP_URL: mailbox.url, DNS_SERVERS: dns.address };
  const on = plintoOn(app.database, settings);
  org = (args) => on(['org', ...args]);
  user = (args) => on(['user', ...args]);
  ada = await app.createUser({ email: 'ada@example.com' });
  bob = await app.createUser({ email: 'bob@example.com', username: 'bob' });
});
afterAll(async () => {
  await app.stop();
  await Promise.all([mailbox.stop(), dns.close()]);
});

const db = () => app.runtime.deps.db;
const find = (slug: string) => db()('organizations').where({ slug }).first();
const eventsOf = (id: string) =>
  db()('audit_events')
    .where({ organization_id: id, actor: ACTOR })
    .orderBy('position')
    .pluck('type');

// Twenty processes, one after the other.
const MANY = { timeout: 60_000 };

test('an organization is made, found, changed, handed over, deleted and kept', MANY, async () => {
  const create = ['create', '--name', 'Acme Industries', '--owner', 'ada@example.com', '--json'];
  const made = await jsonOf<{ id: string }>(org(create));
  expect(made).toEqual({
    id: expect.any(String),
    slug: 'acme-industries',
    name: 'Acme Industries',
    accent: null,
    mfa: 'inherit',
    methods: null,
    session_hours: null,
    members_may_invite: false,
    join_by_domain: false,
    metadata: {},
    delete_after: null,
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  const { id } = made;
  const second = ['create', '--name', 'Zeta', '--slug', 'Zeta', '--owner', bob.id];
  expect((await org(second)).stdout).toBe('Created the organization zeta.\n');
  const page = await jsonOf(org(['list', '--limit', '1', '--json']));
  expect(page).toMatchObject({ items: [{ id }], next: 'acme-industries' });
  const table = await org(['list', '--after', 'acme-industries']);
  expect(table.stdout).toMatch(/^SLUG +NAME +ID +MFA .*\nzeta +Zeta /);

  const changes = [
    '--name',
    'Acme',
    '--slug',
    'acme',
    '--mfa',
    'required',
    '--session-hours',
    '12',
  ];
  const more = ['--methods', 'passkey,password', '--metadata', '{"plan":"gold"}', '--json'];
  expect(await jsonOf(org(['update', id, ...changes, ...more]))).toMatchObject({
    slug: 'acme',
    name: 'Acme',
    mfa: 'required',
    methods: ['password', 'passkey'],
    session_hours: 12,
    metadata: { plan: 'gold' },
  });
  const back = ['--mfa', 'inherit', '--session-hours', 'none', '--methods', 'any'];
  expect((await org(['update', 'acme', ...back])).stdout).toBe('Changed the organization acme.\n');
  expect(await find('acme')).toMatchObject({
    mfa_required: false,
    sign_in_methods: null,
    session_seconds: null,
    metadata: { plan: 'gold' },
  });

  const roles = ['member', 'add', 'acme', 'bob', '--role', 'admin', '--role', 'member', '--json'];
  expect(await jsonOf(org(roles))).toMatchObject({ id: bob.id, roles: ['admin', 'member'] });
  const handed = await org(['transfer', 'acme', 'bob@example.com']);
  expect(handed.stdout).toContain('bob@example.com owns acme in place of ada@example.com');
  const shown = await jsonOf(org(['show', 'acme', '--json']));
  expect(shown).toMatchObject({ id, members: 2, owners: ['bob@example.com'] });
  const mail = await mailbox.waitFor('bob@example.com');
  expect(mail.subject).toContain('an owner');

  const set = ['member', 'set-roles', 'acme', ada.id, '--role', 'member', '--json'];
  expect(await jsonOf(org(set))).toMatchObject({ email: 'ada@example.com', roles: ['member'] });
  const members = await org(['member', 'list', 'acme']);
  expect(members.stdout).toMatch(/^ID +EMAIL .*\n.*ada@example\.com .* member +created\n/);
  expect(members.stdout).toMatch(/bob@example\.com .* owner admin member +added$/m);
  expect((await org(['member', 'remove', 'acme', 'ada@example.com'])).stdout).toBe(
    'ada@example.com is no longer a member of acme.\n',
  );

  const deleted = await org(['delete', 'acme', '--yes']);
  expect(deleted.stdout).toMatch(/^Nobody signs in to acme any more, and it is deleted on \d{4}-/);
  expect((await find('acme')).delete_after).not.toBeNull();
  await expectFailure(org(['member', 'add', 'acme', ada.id]), 'acme is being deleted');
  expect((await org(['restore', id])).stdout).toBe('acme stays.\n');
  expect((await find('acme')).delete_after).toBeNull();
  const gone = await jsonOf(org(['delete', 'acme', '--yes', '--now', '--json']));
  expect(gone).toEqual({ id, slug: 'acme', delete_after: null });
  expect(await find('acme')).toBeUndefined();
  expect(await eventsOf(id)).toEqual([
    'organization.created',
    'organization.updated',
    'organization.policies_updated',
    'organization.policies_updated',
    'member.added',
    'organization.owner_transferred',
    'member.roles_changed',
    'member.removed',
    'organization.deletion_requested',
    'organization.deletion_cancelled',
    'organization.deletion_requested',
    'organization.deleted',
  ]);
});

test('an organization is given its look and its members’ rights, and a member kept out', async () => {
  await org(['create', '--name', 'Looks', '--owner', 'bob']);
  const folder = await mkdtemp(join(tmpdir(), 'plinto-logo-'));
  const logo = join(folder, 'logo.png');
  await writeFile(logo, await twoHalves(64, 32).png());
  const look = ['update', 'looks', '--accent', 'B3261E', '--logo', logo];
  const rights = ['--members-may-invite', 'yes', '--json'];
  expect(await jsonOf(org([...look, ...rights]))).toMatchObject({
    accent: '#b3261e',
    members_may_invite: true,
  });
  const { id } = await find('looks');
  const logos = () => db()('organization_logos').where({ organization_id: id }).pluck('content');
  const [stored] = await logos();
  expect(stored.subarray(8, 12).toString()).toBe('WEBP');
  const light = org(['update', 'looks', '--name', 'Other', '--accent', '#fff']);
  await expectFailure(light, '--accent is too light for a button to be seen: #');
  await writeFile(logo, 'no picture');
  await expectFailure(org(['update', 'looks', '--logo', logo]), 'is no PNG, JPEG or WebP');
  const absent = org(['update', 'looks', '--logo', join(folder, 'none.png')]);
  await expectFailure(absent, "none.png can't be read: ENOENT");
  await rm(folder, { recursive: true });
  expect(await find('looks')).toMatchObject({ name: 'Looks', accent: '#b3261e' });
  await org(['update', 'looks', '--accent', 'none', '--logo', 'none']);
  expect([(await find('looks')).accent, await logos()]).toEqual([null, []]);

  await org(['member', 'add', 'looks', ada.id]);
  expect(await jsonOf(org(['member', 'suspend', 'looks', ada.id, '--json']))).toMatchObject({
    id: ada.id,
    status: 'suspended',
  });
  expect((await org(['member', 'activate', 'looks', ada.id])).stdout).toBe(
    'ada@example.com is let in to looks.\n',
  );
  await expectFailure(org(['member', 'suspend', 'looks', 'bob']), 'the last owner');
});

test('a domain is noted, proven by its record, joined by, and taken away', async () => {
  await org(['create', '--name', 'Domains', '--owner', 'bob']);
  const domain = (...args: string[]) => org(['domain', ...args]);
  expect((await domain('list', 'domains')).stdout).toBe('The organization has no domains.\n');
  type Added = { record: { name: string; value: string } };
  const { record } = await jsonOf<Added>(domain('add', 'domains', 'Acme.EXAMPLE', '--json'));
  expect(record).toEqual({
    type: 'TXT',
    name: '_plinto-challenge.acme.example',
    value: expect.stringMatching(/^plinto-verification=[\w-]{43}$/),
  });
  await expectFailure(domain('verify', 'domains', 'acme.example'), `has to say ${record.value}`);
  const joining = ['update', 'domains', '--join-by-domain', 'yes'];
  await expectFailure(org(joining), 'no domain of the organization is proven');
  dns.zone.set(record.name, { txt: [record.value] });
  expect((await domain('verify', 'domains', 'acme.example')).stdout).toBe(
    "acme.example is proven to be domains's.\n",
  );
  expect(await jsonOf(org([...joining, '--json']))).toMatchObject({ join_by_domain: true });
  expect((await domain('list', 'domains')).stdout).toMatch(
    /^DOMAIN +STATE .*\nacme\.example +proven /,
  );

  await org(['create', '--name', 'Others', '--owner', 'bob']);
  dns.zone.set(record.name, { txt: [record.value, await theirRecord('others', domain)] });
  const taken = 'another organization has proven acme.example';
  await expectFailure(domain('verify', 'others', 'acme.example'), taken);
  for (const [written, says] of [
    ['gmail.com', 'can be nobody’s'],
    ['no domain', 'is no domain'],
  ]) {
    await expectFailure(domain('add', 'domains', written ?? ''), says ?? '');
  }
  await expectFailure(
    domain('remove', 'domains', 'none.example'),
    'domains has no domain none.example',
  );
  expect((await domain('remove', 'domains', 'acme.example')).stdout).toBe(
    "acme.example is no longer domains's.\n",
  );
  expect(await domain('verify', 'others', 'acme.example')).toMatchObject({ code: 0 });
  expect(await eventsOf((await find('domains')).id)).toEqual([
    'organization.created',
    'domain.added',
    'domain.verified',
    'organization.policies_updated',
    'domain.removed',
  ]);
});

async function theirRecord(slug: string, domain: (...args: string[]) => Promise<Outcome>) {
  const added = domain('add', slug, 'acme.example', '--json');
  return (await jsonOf<{ record: { value: string } }>(added)).record.value;
}

describe('is refused in one line that says what to do:', () => {
  beforeAll(async () => {
    if ((await find('works')) === undefined) {
      await org(['create', '--name', 'Works', '--owner', 'ada@example.com']);
    }
  });

  const create = ['create', '--owner', 'ada@example.com', '--name'];
  test.each<{ args: string[]; says: string; code?: number }>([
    { args: [...create, ' '], says: '--name needs 1 to 100 characters' },
    { args: [...create, 'Works'], says: 'another organization has this slug' },
    { args: [...create, 'New'], says: 'some words are reserved' },
    { args: ['show', 'nowhere'], says: 'there is no organization nowhere: `plinto org list`' },
    { args: ['update', 'works'], says: 'say what to change' },
    { args: ['update', 'works', '--mfa', 'maybe'], says: 'required', code: 2 },
    { args: ['update', 'works', '--metadata', '[1]'], says: 'a JSON object', code: 2 },
    { args: ['update', 'works', '--session-hours', '9999'], says: '--session-hours must be' },
    { args: ['invite', 'works', 'new@example.com', '--app', 'none'], says: 'that is first-party' },
    { args: ['delete', 'works'], says: 'say so with --yes' },
    { args: ['transfer', 'works', 'bob'], says: 'no active member of works' },
    { args: ['member', 'add', 'works', 'bob', '--role', 'king'], says: 'has no role king' },
    { args: ['member', 'remove', 'works', 'ada@example.com'], says: 'is the last owner of works' },
    {
      args: ['member', 'set-roles', 'works', 'ada@example.com', '--role', 'admin'],
      says: '`plinto org transfer` it first',
    },
  ])('org $args', async ({ args, says, code }) => {
    const before = await find('works');
    await expectFailure(org(args), says, code);
    expect(await find('works')).toEqual(before);
  });

  test('deleting a user who alone owns one', async () => {
    const says = 'ada@example.com alone owns works: `plinto org transfer` or `plinto org delete`';
    await expectFailure(user(['delete', 'ada@example.com', '--yes']), says);
    await expectFailure(user(['delete', 'ada@example.com', '--yes', '--now']), says);
    expect(await user(['suspend', 'ada@example.com'])).toMatchObject({ code: 0 });
    // Who can't sign in hands nothing over.
    await expectFailure(org(['transfer', 'works', 'bob']), 'no owner of works is active');
  });
});
