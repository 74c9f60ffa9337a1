import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../../src/audit/events.ts';
import type { Trx } from '../../../src/deps.ts';
import { requestOrganizationDeletion } from '../../../src/organizations/deletion/request-deletion.ts';
import { changeRoles } from '../../../src/organizations/members/change-roles.ts';
import { suspendMember } from '../../../src/organizations/members/set-member-status.ts';
import { BUILTIN_ROLES } from '../../../src/organizations/permissions.ts';
import { deleteRole } from '../../../src/organizations/roles/delete-role.ts';
import { updateRole } from '../../../src/organizations/roles/update-role.ts';
import { type Organization, updateOrganization } from '../../../src/organizations/store.ts';
import { suspendUser } from '../../../src/users/set-status.ts';
import { assignApi, createApi, verifyAccessToken } from '../../support/api.ts';
import { startApp, type TestApp } from '../../support/app.ts';
import type { Credentials } from '../../support/authorization.ts';
import {
  answerTo,
  authorize,
  change,
  endOf,
  enter,
  introspect,
  join,
  makeOrganization,
  makeRole,
  type Person,
  refresh,
  signedIn,
  slugIn,
  userinfo,
} from './tokens-app.ts';

const STOCK = 'https://api.example.com/stock';
const ORDERS = 'https://api.example.com/orders';

let app: TestApp;
let web: Credentials;
let owner: Person;

beforeAll(async () => {
  app = await startApp();
  const client = await app.createClient();
  web = client;
  await createApi(app, STOCK, ['stock:read', 'stock:write'], { token_format: 'opaque' });
  await createApi(app, ORDERS, ['orders:read', 'orders:write']);
  await assignApi(app, client.client, STOCK);
  await assignApi(app, client.client, ORDERS);
  owner = await signedIn(app, web, 'owner');
});
afterAll(() => app.stop());

let made = 0;

/** An organization of its own for a test, and somebody who is a member with these roles. */
async function memberOf(...roles: string[]): Promise<{ org: Organization; person: Person }> {
  made += 1;
  const org = await makeOrganization(app, `org-${made}`, owner);
  const person = await signedIn(app, web, `person${made}`);
  await join(app, org, person, ...roles);
  return { org, person };
}

describe('what was issued is over at once when', () => {
  type Happen = (trx: Trx, org: Organization, person: Person) => Promise<unknown>;
  const where = ({ id }: Organization, { user }: Person) => ({
    organization_id: id,
    user_id: user.id,
  });
  const tools = { mailer: { enabled: false }, issuer: '', locale: 'en' } as never;

  test.each<[string, Happen, outside: boolean]>([
    ['a membership ends', (trx, org, p) => trx('memberships').where(where(org, p)).delete(), true],
    [
      'a member is suspended',
      (trx, org, { user }) =>
        suspendMember(trx, SYSTEM, {
          organizationId: org.id,
          userId: user.id,
          actor: 'installation',
        }),
      true,
    ],
    [
      'a membership isn’t active, however that came about',
      (trx, org, p) => trx('memberships').where(where(org, p)).update({ status: 'suspended' }),
      true,
    ],
    [
      'the deletion of the organization is asked for',
      (trx, org) => requestOrganizationDeletion(trx, tools, SYSTEM, org, 30),
      true,
    ],
    [
      'the organization is deleted',
      (trx, org) => requestOrganizationDeletion(trx, tools, SYSTEM, org, 0),
      true,
    ],
    ['the account is suspended', (trx, _org, { user }) => suspendUser(trx, SYSTEM, user), false],
  ])('%s', async (_what, happen, outside) => {
    const { org, person } = await memberOf('member');
    const other = await makeOrganization(app, `other-${made}`, person);
    const scope = 'openid offline_access stock:read';
    const inside = { scope, organization: org.slug };
    const online = await enter(app, person, web, { organization: org.id });
    const offline = await enter(app, person, web, inside);
    const opaque = await enter(app, person, web, { ...inside, resource: STOCK });
    const open = await authorize(app, person, web, inside);
    const elsewhere = await enter(app, person, web, { ...inside, organization: other.slug });
    const none = await enter(app, person, web, { scope });
    await change(app, (trx) => happen(trx, org, person));

    for (const answer of [online, offline]) expect((await userinfo(app, answer)).status).toBe(401);
    for (const token of [opaque.access_token, online.access_token, offline.refresh_token]) {
      expect(await introspect(app, web, token)).toEqual({ active: false });
    }
    expect(await refresh(app, web, offline)).toMatchObject({ error: 'invalid_grant' });
    expect(await refresh(app, web, opaque)).toMatchObject({ error: 'invalid_grant' });
    expect(await answerTo(app, web, open)).toMatchObject({ error: 'invalid_grant' });
    for (const [answer, slug] of [[elsewhere, other.slug] as const, [none, undefined] as const]) {
      const next = await refresh(app, web, answer);
      expect(next.error).toBe(outside ? undefined : 'invalid_grant');
      if (outside) expect(slugIn(next)).toBe(slug);
    }
    const again = await authorize(app, person, web, inside);
    expect(endOf(again)).toBe(outside ? 'page organization-refused' : 'page login');
    if (outside) {
      const silent = await authorize(app, person, web, { ...inside, prompt: 'none' });
      expect(endOf(silent)).toBe('access_denied');
    }
  });
});

test('what a member holds shows at the next refresh, and at once where a token is asked about', async () => {
  const { org, person } = await memberOf('member');
  const whose = { organizationId: org.id, userId: person.user.id, actor: 'installation' } as const;
  const api = { [STOCK]: ['stock:read', 'stock:write'], [ORDERS]: ['orders:read', 'orders:write'] };
  const keeper = await makeRole(app, org, 'keeper', api);
  const role = { organizationId: org.id, id: keeper };
  const giveApi = (given: Record<string, string[]>) => (trx: Trx) =>
    updateRole(trx, SYSTEM, 'installation', role, () => ({ api: given }));
  const giveRoles =
    (...roleIds: string[]) =>
    (trx: Trx) =>
      changeRoles(trx, SYSTEM, { ...whose, roleIds });
  const { member, admin } = BUILTIN_ROLES;
  await change(app, giveRoles(member, keeper));

  const scope = 'openid offline_access stock:read stock:write orders:read orders:write';
  const first = await enter(app, person, web, { scope, organization: org.id, resource: STOCK });
  let last = { ...first };
  /** What is told of a token issued before the change, then by a refresh: of an opaque one and a JWT. */
  const lookAround = async () => {
    const before = await introspect(app, web, last.access_token);
    last = await refresh(app, web, last, { resource: STOCK });
    const after = await introspect(app, web, last.access_token);
    const { org_roles } = decodeJwt(String(last.id_token));
    expect(after.org_roles).toEqual(org_roles);
    expect(before.org_roles).toEqual(org_roles);
    const oldest = await introspect(app, web, first.access_token);
    return { before, after, oldest, roles: org_roles };
  };
  const ROWS: [string, (trx: Trx) => Promise<unknown>, string, string[]][] = [
    ['nothing', async () => undefined, 'stock:read stock:write', ['keeper', 'member']],
    [
      'a permission is taken from the role',
      giveApi({ [STOCK]: ['stock:read'] }),
      'stock:read',
      ['keeper', 'member'],
    ],
    ['all are', giveApi({}), '', ['keeper', 'member']],
    ['they are given back', giveApi(api), 'stock:read stock:write', ['keeper', 'member']],
    ['the role is taken away', giveRoles(admin), '', ['admin']],
    ['and given back', giveRoles(keeper), 'stock:read stock:write', ['keeper']],
    ['the last role is taken away', giveRoles(), '', []],
    [
      'and both given back',
      giveRoles(keeper, member),
      'stock:read stock:write',
      ['keeper', 'member'],
    ],
    [
      'the permission is no more',
      (trx) => trx('permissions').where({ name: 'stock:write' }).delete(),
      'stock:read',
      ['keeper', 'member'],
    ],
    ['the role is deleted', (trx) => deleteRole(trx, SYSTEM, 'installation', role), '', ['member']],
  ];
  for (const [what, happen, expected, roles] of ROWS) {
    const given = expected.split(' ').filter(Boolean);
    await change(app, happen);
    const seen = await lookAround();
    expect(seen.roles, what).toEqual(roles);
    for (const said of [seen.after, seen.oldest]) {
      expect(said.permissions, what).toEqual(given);
      expect(String(said.scope ?? ''), what).toBe(expected);
      expect(said.active, what).toBe(true);
    }
    // A token has no more than it was issued with.
    expect(given, what).toEqual(expect.arrayContaining(seen.before.permissions as string[]));
  }
  const jwt = await enter(app, person, web, { scope, organization: org.id, resource: ORDERS });
  const { payload } = await verifyAccessToken(app.issuer, jwt.access_token, ORDERS);
  expect(payload).toMatchObject({ permissions: [], org_roles: ['member'] });
  expect(payload.scope ?? '').toBe('');
});

test('an organization is told by its new name at once, and found by its new slug', async () => {
  const { org, person } = await memberOf('member');
  const scope = 'openid offline_access';
  const first = await enter(app, person, web, { scope, organization: org.slug });
  const renamed = { name: 'Renamed & co', slug: `${org.slug}-new` };
  await change(app, (trx) => updateOrganization(trx, org.id, renamed));
  const expected = { org_id: org.id, org_name: 'Renamed & co', org_slug: `${org.slug}-new` };
  expect((await userinfo(app, first)).claims).toMatchObject(expected);
  expect(await introspect(app, web, first.access_token)).toMatchObject(expected);
  const next = await refresh(app, web, first);
  expect(decodeJwt(String(next.id_token))).toMatchObject(expected);
  const page = await authorize(app, person, web, { organization: org.slug });
  expect(endOf(page)).toBe('page organization-refused');
  const again = await enter(app, person, web, { organization: renamed.slug });
  expect(decodeJwt(String(again.id_token))).toMatchObject(expected);
});

test('who is let in again begins anew: what ended stays so', async () => {
  const { org, person } = await memberOf('member');
  const inside = { scope: 'openid offline_access', organization: org.slug };
  const before = await enter(app, person, web, inside);
  await change(app, (trx) =>
    trx('memberships').where({ organization_id: org.id, user_id: person.user.id }).delete(),
  );
  await join(app, org, person, 'admin');
  expect(await refresh(app, web, before)).toMatchObject({ error: 'invalid_grant' });
  const after = await enter(app, person, web, inside);
  expect(decodeJwt(String(after.id_token)).org_roles).toEqual(['admin']);
  expect((await refresh(app, web, after)).error).toBeUndefined();
});
