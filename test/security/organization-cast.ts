import { randomUUID } from 'node:crypto';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { addMember } from '../../src/organizations/members/add-member.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import type { TestApp } from '../support/app.ts';
import { findForm, type Visitor } from '../support/visitor.ts';
import { listRoutes } from './every-form.ts';

/** Where the pages of an organization are, as the router has it. */
const PREFIX = '/account/organizations/:organization';

/** `METHOD /path` of every route below an organization's own; the path begins there. */
export async function organizationRoutesOf(app: TestApp): Promise<string[]> {
  const routes = await listRoutes(app);
  return routes
    .filter((route) => new RegExp(`^[A-Z]+ ${PREFIX}(/|$)`).test(route))
    .map((route) => route.replace(PREFIX, ''))
    .toSorted();
}

/** An organization with something of everything that routes can name. */
export type Estate = {
  id: string;
  slug: string;
  owner: User;
  /** What stands for each parameter of a route, and for the fields of forms. */
  params: Record<'user' | 'role' | 'invitation' | 'domain', string>;
  /** Who asks to accept the invitation with another address. */
  asking: string;
  /** A role without any permission. */
  powerless: string;
};

/** Makes one, with its owner, a member, a role, an invitation and a domain. */
export async function buildEstate(app: TestApp, name: string): Promise<Estate> {
  const slug = name.toLowerCase();
  const person = (what: string) =>
    app.createUser({
      email: `${what}@${slug}.example`,
      profile: { name: `${what} of ${name}` },
    });
  const [owner, member, asking] = [
    await person('owner'),
    await person('member'),
    await person('asking'),
  ];
  return transaction(app.runtime.deps.db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name, ownerId: owner.id });
    if (!made.ok) throw new Error(made.reason);
    const { id } = made.organization;
    const organization_id = id;
    const [powerless, role, invitation, domain] = Array.from({ length: 4 }, () => randomUUID());
    if (!powerless || !role || !invitation || !domain) throw new Error('no ids');
    await trx('roles').insert([
      { id: powerless, organization_id, key: 'powerless', name: 'Powerless' },
      {
        ...{ id: role, organization_id, key: 'reader', name: 'Reader' },
        permissions: ['members:read'],
      },
    ]);
    await joinAs(app, id, member.id, [BUILTIN_ROLES.member], trx);
    await trx('invitations').insert({
      ...{ id: invitation, organization_id, email: `invited@${slug}.example` },
      token_hash: Buffer.from(randomUUID()),
      mailed: true,
      invited_by: owner.id,
      requested_by: asking.id,
      expires_at: trx.raw("now() + interval '7 days'"),
    });
    await trx('invitation_roles').insert({
      ...{ invitation_id: invitation, organization_id },
      ...{ role_id: role, role_scope: id },
    });
    await trx('domains').insert({
      ...{ id: domain, organization_id, name: `${slug}.example`, token: randomUUID() },
    });
    const params = { user: member.id, role, invitation, domain };
    return { id, slug, owner, params, asking: asking.id, powerless };
  });
}

/** Makes somebody a member. */
export async function joinAs(
  app: TestApp,
  organizationId: string,
  userId: string,
  roleIds: string[],
  within?: Parameters<typeof addMember>[0],
): Promise<void> {
  const join = (trx: Parameters<typeof addMember>[0]) =>
    addMember(trx, SYSTEM, {
      ...{ organizationId, userId, roleIds },
      ...{ source: 'added', actor: 'installation' },
    });
  const added = await (within ? join(within) : transaction(app.runtime.deps.db, join));
  if (!added.ok) throw new Error(added.reason);
}

/** Somebody who is signed in to their account. */
export type Actor = {
  /** Asks for a page, or sends a form; one with files where that is what it takes. */
  ask: (route: string, fields?: Record<string, string>) => Promise<{ status: number; to: string }>;
};

/** Signs somebody in; routes are paths with their method, below the organization's pages. */
export async function enterAs(app: TestApp, user: User): Promise<Actor> {
  const { visitor, page } = await openAccount(app, String(user.email));
  const { csrf = '' } = findForm(page, '/sign-out').hidden;
  return {
    ask: async (route, fields = {}) => {
      const [method = '', path = ''] = route.split(' ');
      const url = `${app.issuer}/account/organizations/${path}`;
      const all = { ...fields, csrf };
      let response = await send(visitor, method, url, new URLSearchParams(all));
      if (response.status === 415) response = await send(visitor, method, url, filesOf(all));
      await response.arrayBuffer();
      return { status: response.status, to: response.headers.get('location') ?? '' };
    },
  };
}

function send(visitor: Visitor, method: string, url: string, body: URLSearchParams | FormData) {
  return visitor.request(url, method === 'GET' ? {} : { method, body });
}

function filesOf(fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** A route with ids in the place of its parameters. */
export function fill(route: string, organization: string, params: Estate['params']): string {
  const [method = '', path = ''] = route.split(' ');
  const filled = path.replace(/:(\w+)/g, (_, name: string) => {
    const value = (params as Record<string, string>)[name];
    if (value === undefined)
      throw new Error(`nothing stands for :${name}: add it to Estate.params`);
    return value;
  });
  return `${method} ${organization}${filled}`;
}

/** What forms say that name something, or have to be confirmed. */
const FIELDS: Record<string, (estate: Estate) => Record<string, string>> = {
  'POST /delete': ({ slug }) => ({ confirmation: slug }),
  'POST /domains/remove': ({ params }) => ({ domain: params.domain }),
  'POST /domains/verify': ({ params }) => ({ domain: params.domain }),
  'POST /invitations': ({ slug }) => ({
    addresses: `new@${slug}.example`,
    [BUILTIN_ROLES.member]: 'yes',
  }),
  'POST /invitations/:invitation/confirm': ({ asking }) => ({ person: asking }),
  'POST /invitations/:invitation/decline': ({ asking }) => ({ person: asking }),
  'POST /members/:user/remove': ({ slug }) => ({ confirmation: `member@${slug}.example` }),
  'POST /members/:user/roles': ({ powerless }) => ({
    had: BUILTIN_ROLES.member,
    [powerless]: 'yes',
  }),
  'POST /roles/:role/delete': () => ({ confirmation: 'reader' }),
  'POST /transfer': ({ slug }) => ({ confirmation: slug, member: `member@${slug}.example` }),
};

/** The fields of a form, so that it comes to something. */
export function fieldsOf(route: string, estate: Estate): Record<string, string> {
  return FIELDS[route]?.(estate) ?? {};
}

/** Every row of an organization, to tell that nothing has happened to it. */
export async function rowsOf(app: TestApp, organizationId: string): Promise<unknown> {
  const { db } = app.runtime.deps;
  const { rows: tables } = await db.raw(
    `SELECT table_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'organization_id' ORDER BY 1`,
  );
  const selects = tables.map(
    ({ name }: { name: string }) =>
      `SELECT '${name} ' || t::text AS row FROM ${name} t WHERE organization_id = :id`,
  );
  const { rows } = await db.raw(
    `${selects.join(' UNION ALL ')}
     UNION ALL SELECT 'organizations ' || t::text FROM organizations t WHERE id = :id
     UNION ALL SELECT 'role_permissions ' || p::text FROM role_permissions p
       JOIN roles r ON r.id = p.role_id WHERE r.organization_id = :id
     ORDER BY 1`,
    { id: organizationId },
  );
  return rows.map(({ row }: { row: string }) => row);
}

/** What actions may change, in an order in which it can be put back. */
const TABLES = [
  'organizations',
  'roles',
  'memberships',
  'membership_roles',
  'invitations',
  'invitation_roles',
  'domains',
];

/** Remembers an organization as it is. @returns what puts it back. */
export async function remember(app: TestApp, id: string): Promise<() => Promise<void>> {
  const { db } = app.runtime.deps;
  const all: [string, Record<string, unknown>[]][] = [];
  for (const table of TABLES) {
    const key = table === 'organizations' ? 'id' : 'organization_id';
    const { rows } = await db.raw(`SELECT to_jsonb(t) AS row FROM ?? t WHERE ?? = ?`, [
      ...[table, key, id],
    ]);
    all.push([table, rows.map(({ row }: { row: Record<string, unknown> }) => row)]);
  }
  return () =>
    transaction(db, async (trx) => {
      await trx('organizations').where({ id }).delete();
      for (const [table, rows] of all) {
        const columns = Object.keys(rows[0] ?? {}).filter((name) => name !== 'scope');
        const list = columns.map((name) => `"${name}"`).join(', ');
        await trx.raw(
          `INSERT INTO ${table} (${list}) SELECT ${list} FROM jsonb_populate_recordset(NULL::${table}, ?::jsonb)`,
          [JSON.stringify(rows)],
        );
      }
    });
}
