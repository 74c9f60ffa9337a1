import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { changeRoles } from '../../src/organizations/members/change-roles.ts';
import { removeMember } from '../../src/organizations/members/remove-member.ts';
import {
  activateMember,
  suspendMember,
} from '../../src/organizations/members/set-member-status.ts';
import { leaveOrganization } from '../../src/organizations/ownership/leave-organization.ts';
import { transferOwnership } from '../../src/organizations/ownership/transfer-ownership.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { lockOrganizationFor, type Organization } from '../../src/organizations/store.ts';
import { requestDeletion } from '../../src/users/deletion.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm } from '../support/visitor.ts';
import { join, newOrganization, newPerson, newUser, type Person } from './organizations-app.ts';

const { owner: OWNER, admin: ADMIN, member: MEMBER } = BUILTIN_ROLES;

let app: TestApp;
let ports: number[];

beforeAll(async () => {
  app = await startApp({ ACCOUNT_DELETION_GRACE_DAYS: '0' });
  const replica = await app.startReplica();
  ports = [Number(new URL(app.issuer).port), replica.port];
});
afterAll(() => app.stop());

const mailer = { enabled: false, queue: async () => {} };
const tools = { mailer, issuer: 'https://id.example', locale: 'en' };

/** Those who own an organization and can use it. */
async function ownersOf(db: Trx | TestApp['runtime']['deps']['db'], id: string): Promise<string[]> {
  const { rows } = await db.raw(
    `SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
     JOIN membership_roles mr ON mr.organization_id = m.organization_id AND mr.user_id = m.user_id
     WHERE m.organization_id = ? AND mr.role_id = ? AND m.status = 'active' AND u.status = 'active'`,
    [id, OWNER],
  );
  return rows.map(({ user_id }: { user_id: string }) => user_id);
}

type Change = { trx: Trx; organization: Organization; by: string; of: string };

/** Whatever somebody can do that could cost an organization its owner, as pages and commands do it. */
const ACTIONS: Record<string, (change: Change) => Promise<{ ok: boolean; reason?: string }>> = {
  leaves: ({ trx, organization, by }) => leaveOrganization(trx, SYSTEM, organization.id, by),
  'is removed': async (change) => removeMember(change.trx, tools, SYSTEM, await whose(change)),
  'is suspended': async (change) => suspendMember(change.trx, SYSTEM, await whose(change)),
  'is let in': async (change) => activateMember(change.trx, SYSTEM, await whose(change)),
  'becomes an admin': async (change) =>
    changeRoles(change.trx, SYSTEM, { ...(await whose(change)), roleIds: [ADMIN] }),
  'becomes an owner': async (change) =>
    changeRoles(change.trx, SYSTEM, { ...(await whose(change)), roleIds: [OWNER, MEMBER] }),
  'loses all roles': async (change) =>
    changeRoles(change.trx, SYSTEM, { ...(await whose(change)), roleIds: [] }),
  'is handed over to': ({ trx, organization, by, of }) =>
    transferOwnership(trx, tools, SYSTEM, organization, { from: by, to: of }),
  'is deleted': ({ trx, of }) => requestDeletion(trx, tools, SYSTEM, of, 0),
};

/** Done by the member, or by the installation where they aren't one. */
async function whose({ trx, organization, by, of }: Change) {
  const { id } = organization;
  const context = (await lockOrganizationFor(trx, id, by))?.context;
  return { organizationId: id, userId: of, actor: context ?? ('installation' as const) };
}

describe('the last owner', () => {
  test.each<[action: string, refused: string]>([
    ['leaves', 'last_owner'],
    ['is removed', 'last_owner'],
    ['is suspended', 'last_owner'],
    ['becomes an admin', 'last_owner'],
    ['loses all roles', 'last_owner'],
    ['is handed over to', 'same_person'],
    ['is deleted', 'only_owner'],
  ])(
    'stays where they ask what %s comes to, also with owners who are no use',
    async (action, refused) => {
      const [{ user }, suspended, gone] = [
        await newUser(app),
        await newUser(app),
        await newUser(app),
      ];
      const organization = await newOrganization(app, user.id);
      const { db } = app.runtime.deps;
      for (const useless of [suspended, gone])
        await join(app, organization.id, useless.user, 'owner');
      await db('memberships').where({ user_id: suspended.user.id }).update({ status: 'suspended' });
      await db('users').where({ id: gone.user.id }).update({ status: 'suspended' });
      const result = await transaction(db, async (trx) =>
        ACTIONS[action]?.({ trx, organization, by: user.id, of: user.id }),
      );
      expect(result).toMatchObject({ ok: false, reason: refused });
      expect(await ownersOf(db, organization.id)).toEqual([user.id]);
    },
  );

  test('is there after whatever four people do to each other', async () => {
    const step = fc.record({
      action: fc.constantFrom(...Object.keys(ACTIONS)),
      by: fc.nat(3),
      of: fc.nat(3),
    });
    const done = new Error('rolled back');
    const outcomes = new Set<string>();
    const people = await Promise.all([1, 2, 3, 4].map(async () => (await newUser(app)).user));
    const organization = await newOrganization(app, String(people[0]?.id));
    for (const [i, user] of people.slice(1).entries()) {
      await join(app, organization.id, user, i === 0 ? 'owner' : 'admin');
    }
    const { db } = app.runtime.deps;
    const play = async (trx: Trx, steps: { action: string; by: number; of: number }[]) => {
      for (const { action, by, of } of steps) {
        const change = { by: String(people[by]?.id), of: String(people[of]?.id) };
        const result = await ACTIONS[action]?.({ trx, organization, ...change });
        outcomes.add(`${action}: ${result?.reason ?? 'done'}`);
        expect(await ownersOf(trx, organization.id)).not.toEqual([]);
        // The database agrees, now and not at the end.
        await trx.raw('SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED');
      }
      throw done;
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 10 }), async (steps) => {
        await db
          .transaction((trx) => play(trx, steps))
          .catch((error) => {
            if (error !== done) throw error;
          });
      }),
      { numRuns: 30, seed: 20261124 },
    );
    for (const action of Object.keys(ACTIONS)) expect(outcomes).toContain(`${action}: done`);
    expect(outcomes).toContain('is suspended: last_owner');
    expect(outcomes).toContain('is deleted: only_owner');
  });
});

describe('of two owners who do it at once over two servers', () => {
  type Form = (us: Person, them: Person, at: string) => Promise<[Person, string, object]>;
  const to =
    (name: string, fields: (them: Person) => object = () => ({})): Form =>
    async (us, them, at) => [us, `${at}/members/${them.user.id}/${name}`, fields(them)];
  const demote = to('roles', () => ({ had: OWNER, [MEMBER]: 'yes' }));
  const remove = to('remove', (them) => ({ confirmation: them.email }));
  const suspend = to('suspend');
  const leave: Form = async (us, _, at) => [us, `${at}/leave`, {}];
  const step: Form = async (us, _, at) => [
    us,
    `${at}/members/${us.user.id}/roles`,
    { had: OWNER, [ADMIN]: 'yes' },
  ];
  const forget: Form = async (us) => [
    us,
    `${app.issuer}/account/delete`,
    { confirmation: us.email },
  ];

  let ada: Person;
  let bob: Person;

  test.each<[string, Form, Form]>([
    ['leave and leave', leave, leave],
    ['step down and step down', step, step],
    ['demote each other', demote, demote],
    ['remove each other', remove, remove],
    ['suspend each other', suspend, suspend],
    ['leave and suspend', leave, suspend],
    ['demote and remove', demote, remove],
    ['step down and leave', step, leave],
    ['delete their account and leave', forget, leave],
    ['delete their account and demote', forget, demote],
    ['delete their accounts', forget, forget],
  ])('%s: one is left', async (_, first, second) => {
    const { db } = app.runtime.deps;
    for (let round = 0; round < 2; round += 1) {
      // Whose account is gone is somebody else the next time.
      if (!(await isThere(ada))) ada = await newPerson(app);
      if (!(await isThere(bob))) bob = await newPerson(app);
      const { id, slug } = await newOrganization(app, ada.user.id);
      await join(app, id, bob.user, 'owner');
      const at = `${app.issuer}/account/organizations/${slug}`;
      const forms = [await first(ada, bob, at), await second(bob, ada, at)];
      const sent = await Promise.all(
        forms.map(async ([{ visitor, page }, url, fields], i) => {
          const { csrf } = findForm(page, '/sign-out').hidden;
          const target = Object.assign(new URL(url), { port: String(ports[i]) });
          const body = new URLSearchParams({ ...fields, csrf: String(csrf) });
          const { status } = await visitor.request(target.href, { method: 'POST', body });
          return status;
        }),
      );
      for (const status of sent) expect([303, 403, 404, 422]).toContain(status);
      expect(sent).toContain(303);
      expect((await ownersOf(db, id)).length).toBe(1);
      await db('organizations').where({ id }).delete();
    }
  });

  async function isThere(person: Person | undefined): Promise<boolean> {
    const { db } = app.runtime.deps;
    return person !== undefined && (await db('users').where({ id: person.user.id })).length > 0;
  }
});

describe('the database by itself', () => {
  const REFUSED = { code: '40001', constraint: 'organizations_owner' };
  const values = async () => {
    const [{ user }, other] = [await newUser(app), await newUser(app)];
    const { id } = await newOrganization(app, user.id);
    await join(app, id, other.user, 'member');
    return { id, user: user.id, other: other.user.id, owner: OWNER, admin: ADMIN };
  };
  const bind = (sql: string, all: Record<string, string>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => sql.includes(`:${name}`)));

  test.each([
    'DELETE FROM membership_roles WHERE organization_id = :id AND role_id = :owner',
    'UPDATE membership_roles SET role_id = :admin WHERE organization_id = :id AND role_id = :owner',
    'UPDATE membership_roles SET user_id = :other, role_id = :admin WHERE role_id = :owner AND user_id = :user',
    "UPDATE memberships SET status = 'suspended' WHERE organization_id = :id",
    'DELETE FROM memberships WHERE organization_id = :id',
    'DELETE FROM memberships WHERE user_id = :user',
    'DELETE FROM users WHERE id = :user',
    `WITH gone AS (DELETE FROM membership_roles WHERE user_id = :user RETURNING *)
     UPDATE memberships SET status = 'suspended' WHERE user_id = :other`,
  ])('refuses %s', async (sql) => {
    const all = await values();
    const { db } = app.runtime.deps;
    await expect(db.transaction((trx) => trx.raw(sql, bind(sql, all)))).rejects.toMatchObject(
      REFUSED,
    );
    expect(await ownersOf(db, all.id)).toEqual([all.user]);
  });

  test.each([
    `WITH gone AS (DELETE FROM membership_roles WHERE user_id = :user)
     INSERT INTO membership_roles SELECT :id, :other, :owner, scope FROM roles WHERE id = :owner`,
    'DELETE FROM organizations WHERE id = :id',
    'DELETE FROM users WHERE id = :other',
  ])('allows %s', async (sql) => {
    const all = await values();
    const { db } = app.runtime.deps;
    await db.transaction((trx) => trx.raw(sql, bind(sql, all)));
    const left = await db('organizations').where({ id: all.id });
    expect(await ownersOf(db, all.id)).toHaveLength(left.length);
  });

  test('lets one of two transactions take an owner that began with two', async () => {
    const { id, user, other } = await values();
    const { db } = app.runtime.deps;
    await db('membership_roles').insert({
      ...{ organization_id: id, user_id: other, role_id: OWNER },
      role_scope: '00000000-0000-0000-0000-000000000000',
    });
    const take = (trx: Trx, user_id: string) =>
      trx('membership_roles').where({ organization_id: id, user_id, role_id: OWNER }).delete();
    const first = await db.transaction();
    const second = await db.transaction();
    expect(await take(first, user)).toBe(1);
    expect(await take(second, other)).toBe(1);
    await first.commit();
    void second.commit();
    await expect(second.executionPromise).rejects.toMatchObject(REFUSED);
    expect(await ownersOf(db, id)).toEqual([other]);
  });
});
