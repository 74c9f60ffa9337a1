import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import type { TestApp } from '../support/app.ts';
import { findForm, type Page, type Visitor } from '../support/visitor.ts';

export type Role = keyof typeof BUILTIN_ROLES;

/** Somebody who is signed in at the list of their organizations. */
export type Person = { user: User; email: string; visitor: Visitor; page: Page };

let people = 0;
let organizations = 0;

export async function newUser(app: TestApp): Promise<{ user: User; email: string }> {
  people += 1;
  const email = `person${people}@example.com`;
  return { email, user: await app.createUser({ email }) };
}

export async function newPerson(app: TestApp): Promise<Person> {
  const made = await newUser(app);
  return { ...made, ...(await openAccount(app, made.email, '/account/organizations')) };
}

/** An organization with an owner. */
export async function newOrganization(app: TestApp, ownerId: string): Promise<Organization> {
  organizations += 1;
  const name = `Acme ${organizations}`;
  const made = await transaction(app.runtime.deps.db, (trx) =>
    createOrganization(trx, SYSTEM, { name, ownerId }),
  );
  if (!made.ok) throw new Error(made.reason);
  return made.organization;
}

export async function join(app: TestApp, id: string, user: User, ...roles: Role[]): Promise<void> {
  await transaction(app.runtime.deps.db, async (trx) => {
    await insertMembership(trx, id, user.id, 'added');
    const ids = roles.map((role) => BUILTIN_ROLES[role]);
    await insertMembershipRoles(trx, id, user.id, ids);
  });
}

/** Keys of roles by user of an organization. */
export async function rolesOf(app: TestApp, id: string): Promise<Record<string, string[]>> {
  const rows = await app.runtime.deps
    .db('memberships as m')
    .leftJoin('membership_roles as mr', {
      'mr.organization_id': 'm.organization_id',
      'mr.user_id': 'm.user_id',
    })
    .leftJoin('roles as r', 'r.id', 'mr.role_id')
    .where({ 'm.organization_id': id })
    .orderBy('r.key')
    .select('m.user_id', 'r.key');
  const all: Record<string, string[]> = {};
  for (const { user_id, key } of rows)
    all[user_id] = [...(all[user_id] ?? []), ...(key ? [key] : [])];
  return all;
}

/** Types of what is recorded of an organization, oldest first. */
export async function eventsOf(app: TestApp, id: string): Promise<string[]> {
  const { db } = app.runtime.deps;
  return db('audit_events').where({ organization_id: id }).orderBy('position').pluck('type');
}

/** Sends a page's form so many times at once, in turns to each port; gives status and destination. */
export async function sendAtOnce(
  visitor: Visitor,
  page: Page,
  suffix: string,
  typed: Record<string, string>,
  { times = 10, ports = [] as number[] } = {},
): Promise<string[]> {
  const { action, hidden } = findForm(page, suffix);
  return Promise.all(
    Array.from({ length: times }, async (_, i) => {
      const url = new URL(action);
      const port = ports[i % Math.max(1, ports.length)];
      if (port !== undefined) url.port = String(port);
      const body = new URLSearchParams({ ...hidden, ...typed });
      const response = await visitor.request(url.href, { method: 'POST', body });
      await response.arrayBuffer();
      return `${response.status} ${response.headers.get('location') ?? ''}`;
    }),
  );
}
