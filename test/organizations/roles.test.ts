import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { createRole, type NewRole } from '../../src/organizations/roles/create-role.ts';
import { findRole, findRoleByKey, type Role } from '../../src/organizations/roles/store.ts';
import type { Organization } from '../../src/organizations/store.ts';
import { openAccount } from '../account/account.ts';
import { createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { alertText, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, join, newOrganization, newUser, sendAtOnce } from './organizations-app.ts';

const API = 'https://invoices.example';
/** A name as long as it may be, which is no markup. */
const ATTACK = '"><script>alert(1)</script>';

let app: TestApp;
let replica: { port: number };
let acme: Organization;
let owner: Visitor;
/** Holds members:read, roles:manage and one scope of the API. */
let clerk: Visitor;
let clerkId: string;
let memberId: string;
let member: Visitor;
let rivals: Role;
let shared: Role;
let desk: Role;

beforeAll(async () => {
  app = await startApp();
  replica = await app.startReplica();
  const [ada, carl, mel] = [await newUser(app), await newUser(app), await newUser(app)];
  acme = await newOrganization(app, ada.user.id);
  const rival = await newOrganization(app, (await newUser(app)).user.id);
  await createApi(app, API, ['read', 'write'], { name: 'Invoices & Co' });
  rivals = await made({ name: 'Theirs', organizationId: rival.id });
  shared = await made({ name: 'Partner', organizationId: null });
  desk = await made({
    ...{ name: 'Desk', permissions: ['members:read', 'roles:manage'], api: { [API]: ['read'] } },
  });
  clerkId = carl.user.id;
  memberId = mel.user.id;
  await join(app, acme.id, carl.user);
  await join(app, acme.id, mel.user, 'member');
  await give(carl.user.id, desk.id);
  ({ visitor: owner } = await openAccount(app, ada.email));
  ({ visitor: clerk } = await openAccount(app, carl.email));
  ({ visitor: member } = await openAccount(app, mel.email));
});
afterAll(() => app.stop());

beforeEach(async () => {
  const { db } = app.runtime.deps;
  await db('roles').where({ organization_id: acme.id }).whereNot({ id: desk.id }).delete();
});

async function made(more: Partial<NewRole> = {}): Promise<Role> {
  const wish = { key: '', name: 'Support', description: '', permissions: [], api: {} };
  const wanted = { organizationId: acme.id, ...wish, ...more };
  const result = await transaction(app.runtime.deps.db, (trx) =>
    createRole(trx, SYSTEM, 'installation', wanted),
  );
  if (!result.ok) throw new Error(result.reason);
  return result.role;
}

async function give(userId: string, roleId: string): Promise<void> {
  const row = { organization_id: acme.id, user_id: userId, role_id: roleId, role_scope: acme.id };
  await app.runtime.deps.db('membership_roles').insert(row);
}

const url = (path: string) => `${app.issuer}/account/organizations/${acme.slug}/roles${path}`;
const open = (visitor: Visitor, path: string) => visitor.open(url(path));
const roleNow = (id: string) => findRole(app.runtime.deps.db, acme.id, id);
const roleOf = (key: string) => findRoleByKey(app.runtime.deps.db, acme.id, key);
const roles = () => app.runtime.deps.db('roles').orderBy('id');

/** Posts whatever somebody likes, with a token that is theirs. */
async function forge(visitor: Visitor, path: string, fields: Record<string, string>) {
  const home = await visitor.open(`${app.issuer}/account`);
  const { csrf = '' } = findForm(home, '/sign-out').hidden;
  const body = new URLSearchParams({ ...fields, csrf });
  const init = { method: 'POST', body, headers: { origin: app.issuer } };
  return visitor.open(url(path), undefined, init);
}

/** The checkbox of a permission. */
function box(page: Page, value: string) {
  const found = [...page.html.matchAll(/<input type="checkbox"[^>]*>/g)].map(([tag]) => tag);
  const tag = found.find((one) => one.includes(`value="${value}"`)) ?? '';
  const name = /name="([^"]+)"/.exec(tag)?.[1] ?? '';
  return { name, checked: /\schecked/.test(tag), disabled: /\sdisabled/.test(tag) };
}

const ticked = (page: Page, ...values: string[]) =>
  Object.fromEntries(values.map((value) => [box(page, value).name, value]));

test('the list shows what each role allows, how many have it, and who these are', async () => {
  await made({ name: ATTACK, description: 'For <b>all</b>', key: 'attack' });
  const page = await open(owner, '');
  expect([page.status, pageName(page)]).toEqual([200, 'organization-roles']);
  for (const text of ['Owner', 'Everything, also', 'Partner', 'Desk', 'Invoices &#38; Co']) {
    expect(page.html.replaceAll('&amp;', '&#38;')).toContain(text);
  }
  expect(page.html).not.toContain('<script>alert');
  expect(page.html).not.toContain('Theirs');
  const [, link] =
    /href="([^"]+members\?role=[^"]+)">Members with this role: 1</.exec(page.html) ?? [];
  const { html } = await owner.open(`${app.issuer}${link}`);
  expect([clerkId, memberId].map((id) => html.includes(`/members/${id}"`))).toEqual([true, false]);
  expect((await open(owner, `/${desk.id}`)).html).toContain(`/members/${clerkId}"`);
  const german = await owner.request(url(''), { headers: { 'accept-language': 'de' } });
  expect(await german.text()).toContain('Inhaber');
});

describe('a new role', () => {
  test('is made of a form, and its key of its name', async () => {
    const before = (await eventsOf(app, acme.id)).length;
    const form = await open(owner, '/new');
    const typed = { name: ' Büro  Süd ', key: '', description: 'Both floors' };
    const chosen = ticked(form, 'activity:read', `${API} write`);
    const done = await owner.submit(form, '/roles/new', { ...typed, ...chosen });
    expect(done.url).toBe(url('?done=role_created'));
    expect(await roleOf('buro-sud')).toMatchObject({
      ...{ name: 'Büro Süd', description: 'Both floors', organization_id: acme.id },
      ...{ builtin: false, permissions: ['activity:read'], api: { [API]: ['write'] } },
    });
    expect((await eventsOf(app, acme.id)).slice(before)).toEqual(['role.created']);
  });

  test('that is sent ten times over two processes is one, and all are told so', async () => {
    const form = await open(owner, '/new');
    const typed = { name: ' Twice  over', key: 'twice', ...ticked(form, 'members:read') };
    const ports = [Number(new URL(app.issuer).port), replica.port];
    const answers = await sendAtOnce(owner, form, '/roles/new', typed, { ports });
    expect(new Set(answers)).toEqual(
      new Set([`303 /account/organizations/${acme.slug}/roles?done=role_created`]),
    );
    const { db } = app.runtime.deps;
    expect(await db('roles').where({ key: 'twice' })).toHaveLength(1);
  });

  test.each<[string, Record<string, string>, string]>([
    ['no name', { name: ' ' }, 'Give the role a name'],
    ['a key that is taken', { key: 'desk' }, 'There is a role with this key'],
    ['the key of a role of all', { key: 'partner' }, 'There is a role with this key'],
    ['a built-in key', { key: 'owner' }, 'There is a role with this key'],
    ['a bad key', { key: 'No!' }, 'A key begins with a letter'],
    ['a scope that isn’t there', { 'permission-1': `${API} gone` }, 'isn’t there any more'],
    ['no permission at all', { 'permission-1': '' }, 'isn’t there any more'],
    ['a name of every object', { 'permission-1': '__proto__ x' }, 'isn’t there any more'],
  ])('of %s is shown again with what was typed', async (_, fields, says) => {
    const before = await roles();
    const typed = { name: 'Typed', key: 'typed', description: 'and kept', ...fields };
    const page = await owner.submit(await open(owner, '/new'), '/roles/new', typed);
    expect([page.status, pageName(page)]).toEqual([422, 'organization-role']);
    expect(alertText(page)).toContain(says);
    expect(page.html).toContain('value="and kept"');
    expect(await roles()).toEqual(before);
  });
});

describe('what somebody doesn’t hold', () => {
  test('can’t be chosen on the page', async () => {
    for (const path of ['/new', `/${desk.id}`]) {
      const page = await open(clerk, path);
      for (const [value, disabled] of Object.entries({
        ...{ 'members:read': false, 'roles:manage': false, [`${API} read`]: false },
        ...{ 'organization:delete': true, 'members:manage': true, [`${API} write`]: true },
      })) {
        expect([value, box(page, value).disabled]).toEqual([value, disabled]);
      }
      expect(page.html).toContain('You can only give what you have yourself.');
    }
  });

  test.each([
    ['a permission of ours', { 'permission-2': 'organization:delete' }, 'Delete the organization'],
    [
      'two, one held',
      { 'permission-4': 'members:read', 'permission-9': 'members:invite' },
      'Invite',
    ],
    ['a scope of an API', { 'permission-11': `${API} write` }, `${API} write`],
  ])('is refused: %s', async (_, fields, names) => {
    const role = await made();
    const before = await roles();
    for (const path of ['/new', `/${role.id}`, `/${desk.id}`]) {
      const page = await forge(clerk, path, { name: 'Rise', ...fields });
      expect([path, page.status]).toEqual([path, 422]);
      expect(alertText(page)).toMatch(/You can’t give .*, because you don’t have it yourself/);
      expect(alertText(page)).toContain(names);
    }
    expect(await roles()).toEqual(before);
  });

  test('makes a role that has it one to look at', async () => {
    const strong = await made({ api: { [API]: ['write'] } });
    const before = await roles();
    const page = await open(clerk, `/${strong.id}`);
    expect(page.html).toContain('This role allows more than you may do');
    expect(page.html).not.toContain('type="checkbox"');
    const attempts = [
      await forge(clerk, `/${strong.id}`, { name: 'Weak' }),
      await forge(clerk, `/${strong.id}/delete`, { confirmation: strong.key }),
    ];
    expect(attempts.map(({ status }) => status)).toEqual([403, 403]);
    expect(await roles()).toEqual(before);
  });
});

describe('a role', () => {
  test('is changed, and stays at its key', async () => {
    const role = await made({ permissions: ['members:read', 'activity:read'] });
    const form = await open(owner, `/${role.id}`);
    expect(box(form, 'activity:read')).toMatchObject({ checked: true, disabled: false });
    const typed = { name: 'Helpers', description: '', ...ticked(form, 'members:invite') };
    const done = await owner.submit(form, `/roles/${role.id}`, typed);
    expect(done.url).toBe(url(`/${role.id}?done=role_saved`));
    expect(await roleNow(role.id)).toEqual({
      ...{ ...role, name: 'Helpers', description: null, permissions: ['members:invite'] },
    });
  });

  test('is changed by somebody who can’t come back, as they managed roles by it', async () => {
    const form = await open(clerk, `/${desk.id}`);
    const typed = { name: 'Desk', description: '', ...ticked(form, 'members:read') };
    const done = await clerk.submit(form, `/roles/${desk.id}`, typed);
    const home = `${app.issuer}/account/organizations/${acme.slug}`;
    expect([done.url, done.status]).toEqual([`${home}?done=role_saved`, 200]);
    expect((await open(clerk, '')).status).toBe(403);
    const { db } = app.runtime.deps;
    await db('roles').where({ id: desk.id }).update({ permissions: desk.permissions });
    const form2 = await open(owner, `/${desk.id}`);
    const back = ticked(form2, 'members:read', 'roles:manage', `${API} read`);
    await owner.submit(form2, `/roles/${desk.id}`, { name: 'Desk', description: '', ...back });
    expect(await roleNow(desk.id)).toEqual(desk);
  });

  test.each(['key', 'id', 'builtin', 'organization_id', 'permissions', 'permission-x', 'scope'])(
    'has no field %s',
    async (field) => {
      const role = await made();
      const before = await roles();
      const page = await forge(owner, `/${role.id}`, { name: 'Other', [field]: 'admin' });
      expect([page.status, alertText(page)]).toEqual([422, expect.stringContaining(field)]);
      expect(await roles()).toEqual(before);
    },
  );

  test('that isn’t the organization’s own can be looked at if it is one of all', async () => {
    const before = await roles();
    for (const id of [...Object.values(BUILTIN_ROLES), shared.id]) {
      const page = await open(owner, `/${id}`);
      expect([page.status, page.html.includes('type="checkbox"')]).toEqual([200, false]);
      expect((await forge(owner, `/${id}`, { name: 'Mine' })).status).toBe(403);
      const { key = '' } = (await roleNow(id)) ?? {};
      expect((await forge(owner, `/${id}/delete`, { confirmation: key })).status).toBe(403);
    }
    const nobodys = ['019e0000-0000-7000-8000-000000000000', 'x', `${desk.id}'`];
    for (const id of [rivals.id, ...nobodys]) {
      const answers = [
        await open(owner, `/${id}`),
        await forge(owner, `/${id}`, { name: 'Mine' }),
        await forge(owner, `/${id}/delete`, { confirmation: rivals.key }),
      ];
      expect([id, ...answers.map(({ status }) => status)]).toEqual([id, 404, 404, 404]);
    }
    expect(await roles()).toEqual(before);
  });

  test('is nothing for members who don’t manage roles', async () => {
    const before = await roles();
    const pages = [
      ...[await open(member, ''), await open(member, '/new'), await open(member, `/${desk.id}`)],
      await forge(member, '/new', { name: 'Mine' }),
      await forge(member, `/${desk.id}`, { name: 'Mine' }),
      await forge(member, `/${desk.id}/delete`, { confirmation: 'desk' }),
    ];
    expect(pages.map(({ status }) => status)).toEqual(pages.map(() => 403));
    expect(await roles()).toEqual(before);
  });

  test('is deleted once its key is typed, ten times at once as well', async () => {
    const role = await made({ key: 'old-hands' });
    await give(clerkId, role.id);
    const form = await open(owner, `/${role.id}`);
    expect(form.html).toMatch(/Members who lose it<\/dt><dd>1</);
    const wrong = await owner.submit(form, '/delete', { confirmation: 'oldhands' });
    expect([wrong.status, alertText(wrong)]).toEqual([
      ...[422, expect.stringContaining('Nothing was deleted')],
    ]);
    expect(await roleNow(role.id)).toEqual(role);
    const typed = { confirmation: ' Old-Hands ' };
    const ports = [Number(new URL(app.issuer).port), replica.port];
    const answers = await sendAtOnce(owner, form, '/delete', typed, { ports });
    expect(new Set(answers)).toEqual(
      new Set([`303 /account/organizations/${acme.slug}/roles?done=role_deleted`]),
    );
    expect(await roleNow(role.id)).toBeUndefined();
    const { db } = app.runtime.deps;
    expect(await db('memberships').where({ user_id: clerkId })).toHaveLength(1);
    expect(await db('membership_roles').where({ user_id: clerkId }).pluck('role_id')).toEqual([
      desk.id,
    ]);
    const deleted = (await eventsOf(app, acme.id)).filter((type) => type === 'role.deleted');
    expect(deleted).toHaveLength(1);
  });
});
