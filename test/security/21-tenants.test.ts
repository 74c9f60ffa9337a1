import { randomUUID } from 'node:crypto';
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
  organizationRoutesOf,
  rowsOf,
} from './organization-cast.ts';

let app: TestApp;
/** The organization of whoever asks, who owns it, and somebody else's. */
let ours: Estate;
let theirs: Estate;
let owner: Actor;
let routes: string[];

beforeAll(async () => {
  app = await startApp();
  ours = await buildEstate(app, 'Ours');
  theirs = await buildEstate(app, 'Theirs');
  owner = await enterAs(app, ours.owner);
  routes = await organizationRoutesOf(app);
});
afterAll(() => app.stop());

describe('security 21: with a sign-in of one organization', () => {
  test('security 21: no route of another is there, by its slug or its id', async () => {
    expect(routes.length).toBeGreaterThan(20);
    const before = await rowsOf(app, theirs.id);
    for (const route of routes) {
      for (const name of [theirs.slug, theirs.id]) {
        const { status } = await owner.ask(
          fill(route, name, theirs.params),
          fieldsOf(route, theirs),
        );
        expect([route, name, status]).toEqual([route, name, 404]);
      }
    }
    expect(await rowsOf(app, theirs.id)).toEqual(before);
  });

  test('security 21: nothing of another is there below the own, whatever a route or form names', async () => {
    const naming = routes.filter((route) => {
      const fields = Object.values(fieldsOf(route, theirs));
      return route.includes('/:') || fields.some((value) => isTheirs(value));
    });
    expect(naming.length).toBeGreaterThan(8);
    const before = [await rowsOf(app, ours.id), await rowsOf(app, theirs.id)];
    for (const route of naming) {
      const { status } = await owner.ask(
        fill(route, ours.slug, theirs.params),
        fieldsOf(route, theirs),
      );
      expect([route, status]).toEqual([route, 404]);
    }
    expect([await rowsOf(app, ours.id), await rowsOf(app, theirs.id)]).toEqual(before);
  });

  const isTheirs = (value: string) => Object.values(theirs.params).includes(value);

  test.each<[string, () => Record<string, string>]>([
    [
      'POST /members/:user/roles',
      () => ({ had: BUILTIN_ROLES.member, [theirs.params.role]: 'yes' }),
    ],
    ['POST /transfer', () => ({ confirmation: ours.slug, member: 'member@theirs.example' })],
    ['POST /invitations', () => ({ addresses: 'new@ours.example', [theirs.params.role]: 'yes' })],
  ])('security 21: %s refuses what is another’s', async (route, fields) => {
    const before = [await rowsOf(app, ours.id), await rowsOf(app, theirs.id)];
    const { status } = await owner.ask(fill(route, ours.slug, ours.params), fields());
    expect(status).toBe(422);
    expect([await rowsOf(app, ours.id), await rowsOf(app, theirs.id)]).toEqual(before);
  });

  test.each([
    '__proto__',
    'nobody',
    'ours%00',
    '%00',
    '..',
    'ours%2fmembers',
    'x'.repeat(5000),
    "' OR 1=1 --",
  ])('security 21: there is no organization %j', async (name) => {
    for (const route of ['GET /members', 'POST /leave']) {
      const { status } = await owner.ask(route.replace(' ', ` ${name}`));
      expect([404, 400, 414]).toContain(status);
    }
  });
});

/** Bindings of the statements: two organizations, and what each has. */
const values = () => ({
  ...{ ours: ours.id, ourMember: ours.params.user, ourInvitation: ours.params.invitation },
  ...{ theirs: theirs.id, theirMember: theirs.params.user, theirRole: theirs.params.role },
  ...{ ourRole: ours.params.role, nobodys: '00000000-0000-0000-0000-000000000000' },
  ...{ member: BUILTIN_ROLES.member, id: randomUUID() },
});

const FOREIGN_KEY = '23503';
const CHECK = '23514';
const UNIQUE = '23505';

describe('security 21: the database refuses', () => {
  test.each([
    [
      'another organization’s role for a member',
      FOREIGN_KEY,
      'INSERT INTO membership_roles VALUES (:ours, :ourMember, :theirRole, :ours)',
    ],
    [
      'another organization’s role for a member, in its scope',
      CHECK,
      'INSERT INTO membership_roles VALUES (:ours, :ourMember, :theirRole, :theirs)',
    ],
    [
      'another organization’s role as one of all',
      FOREIGN_KEY,
      'INSERT INTO membership_roles VALUES (:ours, :ourMember, :theirRole, :nobodys)',
    ],
    [
      'roles for who is no member',
      FOREIGN_KEY,
      'INSERT INTO membership_roles VALUES (:ours, :theirMember, :member, :nobodys)',
    ],
    [
      'moving a member’s role elsewhere',
      FOREIGN_KEY,
      'UPDATE membership_roles SET organization_id = :theirs WHERE user_id = :ourMember',
    ],
    [
      'moving a role that somebody has to another organization',
      FOREIGN_KEY,
      "UPDATE roles SET organization_id = :theirs, key = 'moved' WHERE id = :ourRole",
    ],
    [
      'another organization’s role in an invitation',
      FOREIGN_KEY,
      'INSERT INTO invitation_roles VALUES (:ourInvitation, :ours, :theirRole, :ours)',
    ],
    [
      'another organization’s role in an invitation, in its scope',
      CHECK,
      'INSERT INTO invitation_roles VALUES (:ourInvitation, :ours, :theirRole, :theirs)',
    ],
    [
      'roles for another organization’s invitation',
      FOREIGN_KEY,
      'INSERT INTO invitation_roles VALUES (:ourInvitation, :theirs, :theirRole, :theirs)',
    ],
    [
      'a grant in an organization for who is no member',
      FOREIGN_KEY,
      `INSERT INTO oidc_grants (id, account_id, client_id, payload, expires_at, organization_id)
       VALUES ('grant', :theirMember, 'client', '{}', now() + interval '1 day', :ours)`,
    ],
    [
      'a consent in an organization of who is no member',
      FOREIGN_KEY,
      `INSERT INTO organization_consents (organization_id, user_id, client_id)
       VALUES (:ours, :theirMember, 'client')`,
    ],
    [
      'a role with the key of one of all organizations',
      UNIQUE,
      "INSERT INTO roles (id, organization_id, key, name) VALUES (:id, :ours, 'admin', 'Admin')",
    ],
    [
      'renaming a role to the key of one of all organizations',
      UNIQUE,
      "UPDATE roles SET key = 'owner' WHERE id = :ourRole",
    ],
    [
      'a role of all organizations with the key that one of them has',
      UNIQUE,
      "INSERT INTO roles (id, key, name) VALUES (:id, 'reader', 'Reader')",
    ],
    [
      'a domain that two have proven',
      UNIQUE,
      `INSERT INTO domains (id, organization_id, name, token, verified_at)
       VALUES (:id, :ours, 'both.example', 'a', now()),
         (gen_random_uuid(), :theirs, 'both.example', 'b', now())`,
    ],
  ])('security 21: %s', async (_, code, sql) => {
    const { db } = app.runtime.deps;
    const all = values();
    const used = Object.entries(all).filter(([name]) => new RegExp(`:${name}\\b`).test(sql));
    await expect(db.raw(sql, Object.fromEntries(used))).rejects.toMatchObject({ code });
  });
});
