import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  type Actor,
  buildEstate,
  type Estate,
  enterAs,
  fieldsOf,
  fill,
  joinAs,
  organizationRoutesOf,
  remember,
  rowsOf,
} from './organization-cast.ts';

/** Who may open a page or send a form of an organization; nobody else may. `all` is every member. */
const ALLOWED: Record<string, string> = {
  'GET ': 'all',
  'GET /activity': 'owner admin',
  'GET /activity/download': 'owner admin',
  'POST /activity/download': 'owner admin',
  'GET /branding': 'owner admin',
  'GET /delete': 'owner',
  'GET /domains': 'owner admin',
  'GET /invitations': 'owner admin',
  'GET /members': 'owner admin member',
  'GET /members/:user': 'owner admin member',
  'GET /policies': 'owner admin',
  'GET /roles': 'owner admin',
  'GET /roles/:role': 'owner admin',
  'GET /roles/new': 'owner admin',
  'GET /transfer': 'owner',
  'POST ': 'owner admin',
  'POST /branding/accent': 'owner admin',
  'POST /branding/logo': 'owner admin',
  'POST /branding/logo/remove': 'owner admin',
  'POST /delete': 'owner',
  'POST /domains': 'owner admin',
  'POST /domains/remove': 'owner admin',
  'POST /domains/verify': 'owner admin',
  'POST /invitations': 'owner admin',
  'POST /invitations/:invitation/confirm': 'owner admin',
  'POST /invitations/:invitation/decline': 'owner admin',
  'POST /invitations/:invitation/resend': 'owner admin',
  'POST /invitations/:invitation/revoke': 'owner admin',
  'POST /leave': 'all',
  'POST /members/:user/activate': 'owner admin',
  'POST /members/:user/remove': 'owner admin',
  'POST /members/:user/roles': 'owner admin',
  'POST /members/:user/suspend': 'owner admin',
  'POST /policies': 'owner admin',
  'POST /roles/:role': 'owner admin',
  'POST /roles/:role/delete': 'owner admin',
  'POST /roles/new': 'owner admin',
  'POST /transfer': 'owner',
};

const INSIDE = ['owner', 'admin', 'member', 'powerless'] as const;
const CAST = [...INSIDE, 'suspended', 'outsider'] as const;
type Part = (typeof CAST)[number];

let app: TestApp;
let estate: Estate;
let restore: () => Promise<void>;
const actors = {} as Record<Part, Actor>;

beforeAll(async () => {
  app = await startApp();
  estate = await buildEstate(app, 'Acme');
  const { id, owner, powerless } = estate;
  const roles: Partial<Record<Part, string[]>> = {
    admin: [BUILTIN_ROLES.admin],
    member: [BUILTIN_ROLES.member],
    powerless: [powerless],
    suspended: [BUILTIN_ROLES.owner],
  };
  actors.owner = await enterAs(app, owner);
  for (const part of CAST.slice(1)) {
    const user = await app.createUser({ email: `${part}@cast.example` });
    actors[part] = await enterAs(app, user);
    if (roles[part] !== undefined) await joinAs(app, id, user.id, roles[part]);
    if (part !== 'suspended') continue;
    const key = { organization_id: id, user_id: user.id };
    await app.runtime.deps.db('memberships').where(key).update({ status: 'suspended' });
  }
  restore = await remember(app, id);
});
afterAll(() => app.stop());

test('security 22: every route of an organization is in the table', async () => {
  expect(await organizationRoutesOf(app)).toEqual(Object.keys(ALLOWED).toSorted());
});

describe('security 22: who may', () => {
  test.each(Object.entries(ALLOWED))('security 22: %s: %s', async (route, allowed) => {
    const url = fill(route, estate.slug, estate.params);
    const fields = fieldsOf(route, estate);
    const who = allowed === 'all' ? [...INSIDE] : allowed.split(' ');
    const before = await rowsOf(app, estate.id);
    // Those who may not come first: nothing may have changed.
    for (const part of CAST.toSorted((a, b) => Number(who.includes(a)) - Number(who.includes(b)))) {
      const { status } = await actors[part].ask(url, fields);
      if (who.includes(part)) {
        expect([200, 303, 422], part).toContain(status);
        if (!route.startsWith('GET')) await restore();
      } else {
        expect([part, status]).toEqual([part, part in INSIDE_PARTS ? 403 : 404]);
        expect(await rowsOf(app, estate.id), part).toEqual(before);
      }
    }
  });
});

const INSIDE_PARTS = Object.fromEntries(INSIDE.map((part) => [part, true]));
