import { afterAll, beforeAll, expect, test } from 'vitest';
import { newOrganization, newUser } from '../organizations/organizations-app.ts';
import { createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

const API = 'https://api.example.com/?v=1';

let app: TestApp;
let on: ReturnType<typeof plintoOn>;
let acme: string;

beforeAll(async () => {
  app = await startApp();
  on = plintoOn(app.database, { ISSUER: app.issuer });
  const { user } = await newUser(app);
  acme = (await newOrganization(app, user.id)).slug;
  await createApi(app, API, ['read', 'write']);
});
afterAll(() => app.stop());

test('roles of all organizations and of one are made', async () => {
  const created = await jsonOf(
    on([
      ...['role', 'create', '--name', 'Support staff', '--description', 'Answers questions'],
      ...['--permission', 'members:read', '--permission', 'activity:read'],
      ...['--grant', `${API}=read,write`, '--json'],
    ]),
  );
  expect(created).toEqual({
    id: expect.any(String),
    key: 'support-staff',
    name: 'Support staff',
    description: 'Answers questions',
    builtin: false,
    permissions: ['members:read', 'activity:read'],
    api: { [API]: ['read', 'write'] },
  });
  const own = ['--organization', acme];
  const made = await on(['role', 'create', '--name', 'Desk', ...own]);
  expect(made.stdout).toMatch(/^Made the role Desk\.\nid +\S+\nkey +desk\n/);

  const table = await on(['role', 'list', ...own]);
  expect(table.stdout).toMatch(/^KEY +NAME +BUILTIN +OWN +PERMISSIONS +API\nowner +Owner +true/);
  expect(table.stdout).toMatch(/^support-staff +Support staff +false +false +members:read /m);
  expect(table.stdout).toMatch(/^desk +Desk +false +true +\{\}$/m);
  const all = await jsonOf<{ items: { key: string }[] }>(on(['role', 'list', '--json']));
  expect(all.items.map(({ key }) => key)).toEqual(['owner', 'admin', 'member', 'support-staff']);
});

test('a role is changed, given permissions of APIs, and deleted', async () => {
  const own = ['--organization', acme];
  const update = ['role', 'update', 'support-staff', '--name', 'Support', '--no-permission'];
  expect(await jsonOf(on([...update, '--json']))).toMatchObject({
    name: 'Support',
    permissions: [],
  });
  const granted = await on(['role', 'grant', 'member', API, 'read']);
  expect(granted.stdout).toBe(`member now gives at ${API}: read\n`);
  const given = await on(['role', 'grant', 'desk', API, 'read', 'write', ...own]);
  expect(given.stdout).toBe(`desk now gives at ${API}: read write\n`);
  const less = await on(['role', 'revoke', 'desk', API, 'read', ...own]);
  expect(less.stdout).toBe(`desk now gives at ${API}: write\n`);
  const shown = await on(['role', 'show', 'desk', ...own]);
  expect(shown.stdout).toMatch(
    /^members +0$[\s\S]*^gives https:\/\/api\.example\.com\/\?v=1 write$/m,
  );

  await expectFailure(on(['role', 'delete', 'desk', ...own]), 'say so with --yes');
  expect(await jsonOf(on(['role', 'delete', 'desk', ...own, '--yes', '--json']))).toEqual({
    ...{ key: 'desk', deleted: true, members: 0, invitations: 0 },
  });
  const { db } = app.runtime.deps;
  expect(await db('roles').orderBy('id').pluck('key')).toEqual([
    ...['owner', 'admin', 'member', 'support-staff'],
  ]);
  const events = await db('audit_events').where({ actor: ACTOR }).orderBy('id');
  expect(
    events.map((one) => `${one.type} ${one.data.key} ${one.organization_id !== null}`),
  ).toEqual([
    'role.created support-staff false',
    'role.created desk true',
    'role.updated support-staff false',
    'role.updated member false',
    'role.updated desk true',
    'role.updated desk true',
    'role.deleted desk true',
  ]);
});

test.each<{ args: string[]; says: string; code?: number }>([
  { args: ['create', '--name', 'Owner'], says: 'the key is taken' },
  { args: ['create', '--name', 'x', '--permission', 'all'], says: 'Choose from', code: 2 },
  { args: ['create', '--name', 'x', '--grant', API.slice(0, 20)], says: 'read,write', code: 2 },
  { args: ['create', '--name', 'x', '--grant', 'https://x=y'], says: 'no permission https://x y' },
  { args: ['list', '--organization', 'nobody'], says: 'there is no organization nobody' },
  { args: ['show', 'nothing'], says: 'there is no role nothing: `plinto role list`' },
  { args: ['update', 'member'], says: 'nothing to change' },
  { args: ['update', 'member', '--no-permission'], says: 'member is built in' },
  { args: ['grant', 'owner', API, 'read'], says: 'owner is built in' },
  { args: ['delete', 'admin', '--yes'], says: 'admin is built in' },
])('role $args is refused: $says', async ({ args, says, code = 1 }) => {
  const { db } = app.runtime.deps;
  const before = await db('roles').orderBy('id');
  await expectFailure(on(['role', ...args]), says, code);
  expect(await db('roles').orderBy('id')).toEqual(before);
});
