import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import type { Trx } from '../../src/deps.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import type { Actor } from '../../src/organizations/members/actor.ts';
import { addMember } from '../../src/organizations/members/add-member.ts';
import { changeRoles } from '../../src/organizations/members/change-roles.ts';
import { removeMember } from '../../src/organizations/members/remove-member.ts';
import {
  activateMember,
  suspendMember,
} from '../../src/organizations/members/set-member-status.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { insertMembership, lockOrganizationFor } from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let organizationId: string;
let acting: User;
let target: User;
let somebody: User;
const roles: Record<string, string> = { ...BUILTIN_ROLES, unknown: randomUUID() };

beforeAll(async () => {
  app = await startApp();
  const { db } = app.runtime.deps;
  const founder = await app.createUser({ email: 'founder@example.com' });
  acting = await app.createUser({ email: 'acting@example.com' });
  target = await app.createUser({ email: 'target@example.com' });
  somebody = await app.createUser({ email: 'somebody@example.com' });
  await db.transaction(async (trx) => {
    for (const name of ['Acme', 'Other']) {
      const made = await createOrganization(trx, SYSTEM, { name, ownerId: founder.id });
      if (!made.ok) throw new Error(made.reason);
      if (name === 'Acme') organizationId = made.organization.id;
      else await addRole(trx, made.organization.id, 'foreign', []);
    }
    const resource_id = randomUUID();
    await trx('resources').insert({ id: resource_id, indicator: 'https://api.test', name: 'API' });
    await trx('permissions').insert([
      { resource_id, name: 'read', description: 'Read' },
      { resource_id, name: 'write', description: 'Write' },
    ]);
    await addRole(trx, organizationId, 'nothing', []);
    await addRole(trx, organizationId, 'reader', ['members:read']);
    await addRole(trx, organizationId, 'steward', ['members:read', 'members:manage']);
    await addRole(trx, organizationId, 'keeper', ['organization:delete']);
    await addRole(trx, organizationId, 'api_reader', [], ['read']);
    await addRole(trx, organizationId, 'api_writer', [], ['read', 'write']);
    async function addRole(
      t: Trx,
      organization_id: string,
      key: string,
      permissions: string[],
      api: string[] = [],
    ) {
      const id = randomUUID();
      roles[key] = id;
      await t('roles').insert({ id, organization_id, key, name: key, permissions });
      for (const permission of api)
        await t('role_permissions').insert({ role_id: id, resource_id, permission });
    }
  });
});
afterAll(() => app.stop());

const idsOf = (keys: string) =>
  keys
    .split(' ')
    .filter(Boolean)
    .map((key) => String(roles[key]));

/** What an action comes to for members with these roles; nothing stays. */
async function trying<T>(
  held: { acting: string; target?: string },
  work: (trx: Trx, actor: Actor) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined;
  const done = new Error('rolled back');
  await app.runtime.deps.db
    .transaction(async (trx) => {
      for (const [user, keys] of [
        [acting, held.acting],
        [target, held.target],
      ] as const) {
        if (keys === undefined) continue;
        await insertMembership(trx, organizationId, user.id, 'added');
        for (const role_id of idsOf(keys)) {
          const { organization_id } = await trx('roles').where({ id: role_id }).first();
          await trx('membership_roles').insert({
            ...{ organization_id: organizationId, user_id: user.id, role_id },
            role_scope: organization_id ?? '00000000-0000-0000-0000-000000000000',
          });
        }
      }
      const organization = await lockOrganizationFor(trx, organizationId, acting.id);
      if (!organization?.context) throw new Error('no member');
      result = { value: await work(trx, organization.context) };
      throw done;
    })
    .catch((error) => {
      if (error !== done) throw error;
    });
  if (result === undefined) throw new Error('nothing was tried');
  return result.value;
}

const CHANGED = { ok: true, changed: true };
const SAME = { ok: true, changed: false };
const no = (reason: string) => ({ ok: false, reason });
const NOT_HELD = no('role_not_held');
const HOLDS_MORE = no('member_holds_more');

describe('security 22: nobody gives or takes what they lack', () => {
  test.each<[actor: string, before: string, after: string, result: object]>([
    ['owner', 'member', 'owner', CHANGED],
    ['owner', 'owner', 'member', CHANGED],
    ['owner', 'owner', '', CHANGED],
    ['owner', 'member', 'api_writer keeper admin', CHANGED],
    ['owner', 'member', 'member', SAME],
    ['owner', 'member', 'foreign', no('role_unknown')],
    ['owner', 'member', 'unknown', no('role_unknown')],
    ['owner', 'member', 'member unknown', no('role_unknown')],
    ['admin', 'member', 'owner', NOT_HELD],
    ['admin', 'member', 'member owner', NOT_HELD],
    ['admin', 'owner', 'member', HOLDS_MORE],
    ['admin', 'owner', 'owner admin', HOLDS_MORE],
    ['admin', 'owner', 'owner', SAME],
    ['admin', 'member', 'admin', CHANGED],
    ['admin', 'admin', 'member', CHANGED],
    ['admin', 'member', 'steward reader nothing', CHANGED],
    ['admin', 'member', 'keeper', NOT_HELD],
    ['admin', 'keeper', 'member', HOLDS_MORE],
    ['admin', 'keeper', '', HOLDS_MORE],
    ['admin', 'member', 'api_reader', NOT_HELD],
    ['admin', 'api_reader', '', HOLDS_MORE],
    ['admin api_reader', 'member', 'api_reader', CHANGED],
    ['admin api_reader', 'member', 'api_writer', NOT_HELD],
    ['admin api_reader', 'api_writer', 'api_reader', HOLDS_MORE],
    ['admin api_writer', 'api_writer', 'api_reader', CHANGED],
    ['steward', 'member', 'steward', CHANGED],
    ['steward', 'reader', 'member', CHANGED],
    ['steward', 'member', 'admin', NOT_HELD],
    ['steward', 'admin', 'member', HOLDS_MORE],
    ['steward', 'nothing', 'reader nothing', CHANGED],
    ['steward', '', 'owner', NOT_HELD],
    ['nothing', 'nothing', 'reader', NOT_HELD],
    ['nothing', 'reader', 'nothing', HOLDS_MORE],
  ])('security 22: %j makes of %j %j', async (actor, before, after, expected) => {
    const result = await trying({ acting: actor, target: before }, (trx, held) =>
      changeRoles(trx, SYSTEM, {
        ...{ organizationId, userId: target.id, roleIds: idsOf(after), actor: held },
      }),
    );
    expect(result).toEqual(expected);
  });

  test.each<[actor: string, roles: string, result: object]>([
    ['owner', 'owner', { ok: true }],
    ['admin', 'admin member', { ok: true }],
    ['admin', 'owner', NOT_HELD],
    ['admin', 'api_reader', NOT_HELD],
    ['steward', 'admin', NOT_HELD],
    ['steward', 'foreign', no('role_unknown')],
  ])('security 22: %j adds somebody as %j', async (actor, given, expected) => {
    const result = await trying({ acting: actor }, (trx, held) =>
      addMember(trx, SYSTEM, {
        ...{ organizationId, userId: somebody.id, roleIds: idsOf(given) },
        ...{ source: 'added' as const, actor: held },
      }),
    );
    expect(result).toEqual(expected);
  });
});

describe('security 22: nobody acts on who may do more', () => {
  const mailer = { enabled: false, queue: async () => {} };
  const tools = { mailer, issuer: 'https://id.example', locale: 'en' };
  const ACTIONS = {
    suspends: suspendMember,
    removes: (trx: Trx, origin: typeof SYSTEM, whose: Parameters<typeof suspendMember>[2]) =>
      removeMember(trx, tools, origin, whose),
    'lets in': activateMember,
  };

  test.each<[actor: string, target: string, allowed: boolean]>([
    ['owner', 'owner', true],
    ['owner', 'api_writer', true],
    ['admin', 'owner', false],
    ['admin', 'admin', true],
    ['admin', 'member', true],
    ['admin', 'keeper', false],
    ['admin', 'member api_reader', false],
    ['admin api_writer', 'api_reader', true],
    ['steward', 'admin', false],
    ['steward', 'steward', true],
  ])('security 22: %j and %j', async (actor, held, allowed) => {
    for (const [name, action] of Object.entries(ACTIONS)) {
      const result = await trying({ acting: actor, target: held }, async (trx, by) => {
        if (name === 'lets in') {
          const whose = { organization_id: organizationId, user_id: target.id };
          await trx('memberships').where(whose).update({ status: 'suspended' });
        }
        return action(trx, SYSTEM, { organizationId, userId: target.id, actor: by });
      });
      expect(result, name).toEqual(allowed ? CHANGED : HOLDS_MORE);
    }
  });
});
