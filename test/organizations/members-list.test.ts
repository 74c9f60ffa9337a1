import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { addMember } from '../../src/organizations/members/add-member.ts';
import { listMembers } from '../../src/organizations/members/list-members.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { startApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let organizationId: string;

/** Members in order of name: the owner first, then so many, then some with names of their own. */
const CROWD = 60;
const SINGULAR = ['Zoë Ünal', '100% Sure', '100_Sure', '100 Sure', 'İpek', 'Ḿargot', '__proto__'];

beforeAll(async () => {
  app = await startApp();
  const owner = await app.createUser({ email: 'aa@x.test', profile: { name: 'AA Owner' } });
  await transaction(app.runtime.deps.db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name: 'Acme', ownerId: owner.id });
    const other = await createOrganization(trx, SYSTEM, { name: 'Other', ownerId: owner.id });
    if (!made.ok || !other.ok) throw new Error('not made');
    organizationId = made.organization.id;
    const people = [
      ...Array.from({ length: CROWD }, (_, i) => `Crowd ${String(i).padStart(2, '0')}`),
      ...SINGULAR,
    ];
    const { rows } = await trx.raw(
      `INSERT INTO users (id, name, email, email_verified_at)
       SELECT gen_random_uuid(), name, 'person' || i || '@example.test', now()
       FROM unnest(?::text[]) WITH ORDINALITY AS one (name, i) RETURNING id, name`,
      [people],
    );
    for (const { id, name } of rows) {
      const roleIds = name.startsWith('Crowd 0') ? Object.values(BUILTIN_ROLES).slice(1) : [];
      const added = await addMember(trx, SYSTEM, {
        ...{ organizationId, userId: id, roleIds },
        ...{ source: 'added', actor: 'installation' },
      });
      if (!added.ok) throw new Error(added.reason);
    }
    await trx.raw(
      `INSERT INTO users (id, name, email) VALUES (gen_random_uuid(), 'Crowd of others', 'o@x.test')`,
    );
    await trx.raw(
      `INSERT INTO memberships (organization_id, user_id, source)
       SELECT ?, id, 'added' FROM users WHERE email = 'o@x.test'`,
      [other.organization.id],
    );
  });
});

afterAll(() => app.stop());

test('pages go through all members once, in order of name, and back again', async () => {
  const { db } = app.runtime.deps;
  const seen: (string | null)[] = [];
  const starts: string[] = [];
  let page = await listMembers(db, organizationId);
  expect(page.previous).toBe(false);
  for (;;) {
    seen.push(...page.members.map(({ name }) => name));
    starts.push(page.members[0]?.user_id ?? '');
    if (!page.next) break;
    page = await listMembers(db, organizationId, {}, { after: page.members.at(-1)?.user_id });
    expect(page.previous).toBe(true);
  }
  expect(starts).toHaveLength(3);
  expect(new Set(seen).size).toBe(CROWD + SINGULAR.length + 1);
  expect(seen.slice(0, 3)).toEqual(['100 Sure', '100% Sure', '100_Sure']);
  const back = await listMembers(db, organizationId, {}, { before: starts[1] });
  expect(back).toMatchObject({ previous: false, next: true });
  expect(back.members.map(({ name }) => name)).toEqual(seen.slice(0, 25));
  const middle = await listMembers(db, organizationId, {}, { before: starts[2] });
  expect(middle).toMatchObject({ previous: true, next: true });
});

test.each([
  ['crowd 1', 10],
  ['CROWD 5', 10],
  [' crowd 05 ', 1],
  ['person1@', 1],
  ['PERSON1', 11],
  ['100%', 1],
  ['100_', 1],
  ['100', 3],
  ['%', 0],
  ['_', 1],
  ['\\', 0],
  ["'; DROP TABLE users; --", 0],
  ['zoë', 1],
  ['Ḿ', 1],
  ['rowd', 0],
  ['crowd of others', 0],
])('a search for %j finds %i by how name or address begin', async (search, found) => {
  const { members } = await listMembers(app.runtime.deps.db, organizationId, { search });
  expect(members).toHaveLength(found);
});

test('a search that finds many shows the first, and says that there are more', async () => {
  const page = await listMembers(app.runtime.deps.db, organizationId, { search: 'crowd' });
  expect(page.members).toHaveLength(25);
  expect(page).toMatchObject({ previous: false, next: true });
  expect(page.members[0]?.name).toBe('Crowd 00');
});

test.each<[keyof typeof BUILTIN_ROLES, string | undefined, number]>([
  ['owner', undefined, 1],
  ['admin', undefined, 10],
  ['admin', 'crowd 03', 1],
  ['admin', 'crowd 13', 0],
  ['member', 'person', 10],
])('those who have the role %s, of a search for %j, are %i', async (role, search, found) => {
  const filter = { roleId: BUILTIN_ROLES[role], search };
  const { members } = await listMembers(app.runtime.deps.db, organizationId, filter);
  expect(members).toHaveLength(found);
  for (const member of members) {
    expect(member.roles.map(({ key }) => key)).toContain(role);
  }
});
