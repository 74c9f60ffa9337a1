import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type Actor, buildEstate, type Estate, enterAs, joinAs } from './organization-cast.ts';

let app: TestApp;
let estate: Estate;
/** Manages members and roles; invites only because every member may. */
let crew: Actor;
let crewId: string;
const role = randomUUID();

beforeAll(async () => {
  app = await startApp();
  estate = await buildEstate(app, 'Acme');
  const { id } = estate;
  await db()('organizations').where({ id }).update({ members_may_invite: true });
  const permissions = ['members:read', 'members:manage', 'roles:manage'];
  await db()('roles').insert({
    id: role,
    organization_id: id,
    key: 'crew',
    name: 'Crew',
    permissions,
  });
  const user = await app.createUser({ email: 'crew@acme.example' });
  crewId = user.id;
  await joinAs(app, id, crewId, [BUILTIN_ROLES.member, role]);
  crew = await enterAs(app, user);
});
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;

const makeRole = (key: string, permission: string) =>
  crew.ask(`POST ${estate.slug}/roles/new`, { name: key, key, 'permission-1': permission });

test('security 22: who invites by the rule for all members makes no role that outlasts the rule', async () => {
  expect((await makeRole('inviter', 'members:invite')).status).toBe(422);
  expect((await makeRole('greeter', 'members:read')).status).toBe(303);
  const keys = await db()('roles').where({ organization_id: estate.id }).pluck('key');
  expect(keys.toSorted()).toEqual(['crew', 'greeter', 'powerless', 'reader']);
});

test('security 22: nor gives themselves one that there is', async () => {
  const id = randomUUID();
  const inviting = { id, key: 'inviting', name: 'Inviting', permissions: ['members:invite'] };
  await db()('roles').insert({ ...inviting, organization_id: estate.id });
  const had = [BUILTIN_ROLES.member, role].toSorted().join(' ');
  const wanted = { [BUILTIN_ROLES.member]: 'yes', [role]: 'yes', [id]: 'yes' };
  const given = await crew.ask(`POST ${estate.slug}/members/${crewId}/roles`, { had, ...wanted });
  expect(given.status).toBe(422);
  expect(await db()('membership_roles').where({ role_id: id })).toEqual([]);
});

test('security 22: they invite as members do, until the rule is gone', async () => {
  const invited = { addresses: 'new@example.com', [BUILTIN_ROLES.member]: 'yes' };
  expect((await crew.ask(`POST ${estate.slug}/invitations`, invited)).status).toBe(303);
  await db()('organizations').where({ id: estate.id }).update({ members_may_invite: false });
  expect((await crew.ask(`GET ${estate.slug}/invitations`)).status).toBe(403);
});
