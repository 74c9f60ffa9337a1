import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { changeRoles } from '../../src/organizations/members/change-roles.ts';
import { removeMember } from '../../src/organizations/members/remove-member.ts';
import { suspendMember } from '../../src/organizations/members/set-member-status.ts';
import { leaveOrganization } from '../../src/organizations/ownership/leave-organization.ts';
import { transferOwnership } from '../../src/organizations/ownership/transfer-ownership.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { lockOrganizationFor, type Organization } from '../../src/organizations/store.ts';
import { requestDeletion } from '../../src/users/deletion.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { join, newOrganization, newUser } from './organizations-app.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

/** Somebody who owns the organization, and a member who doesn't. */
type Cast = { organization: Organization; userId: string; memberId: string };

const tools = () => ({
  mailer: createMailer({ enabled: false, boxKeys: app.runtime.keyring.box }),
  issuer: app.issuer,
  locale: 'en',
});
const aimed = ({ organization, userId }: Cast) => ({
  organizationId: organization.id,
  userId,
  actor: 'installation' as const,
});

/** Every way in which an organization loses an owner. */
const WAYS: Record<string, (trx: Trx, cast: Cast) => Promise<{ ok: boolean }>> = {
  leave: async (trx, { organization, userId }) => {
    await lockOrganizationFor(trx, organization.id, userId);
    return leaveOrganization(trx, SYSTEM, organization.id, userId);
  },
  'hand over': async (trx, { organization, userId, memberId }) => {
    await lockOrganizationFor(trx, organization.id, userId);
    const people = { from: userId, to: memberId };
    return transferOwnership(trx, tools(), SYSTEM, organization, people);
  },
  demotion: (trx, cast) =>
    changeRoles(trx, SYSTEM, { ...aimed(cast), roleIds: [BUILTIN_ROLES.member] }),
  removal: (trx, cast) => removeMember(trx, tools(), SYSTEM, aimed(cast)),
  suspension: (trx, cast) => suspendMember(trx, SYSTEM, aimed(cast)),
  'deletion of the account': (trx, { userId }) => requestDeletion(trx, tools(), SYSTEM, userId, 0),
  'deletion in some days': (trx, { userId }) => requestDeletion(trx, tools(), SYSTEM, userId, 14),
};

async function ownersLeft(id: string): Promise<number> {
  const rows = await app.runtime.deps
    .db('membership_roles as r')
    .join('memberships as m', {
      'm.organization_id': 'r.organization_id',
      'm.user_id': 'r.user_id',
    })
    .join('users as u', 'u.id', 'm.user_id')
    .where({ 'r.organization_id': id, 'r.role_id': BUILTIN_ROLES.owner })
    .where({ 'm.status': 'active', 'u.status': 'active', 'u.delete_after': null });
  return rows.length;
}

test.each(Object.keys(WAYS))(
  'of two owners who are lost at once, one by %s, an owner is left',
  async (one) => {
    for (const other of Object.keys(WAYS)) {
      const [a, b, member] = await Promise.all([newUser(app), newUser(app), newUser(app)]);
      const organization = await newOrganization(app, a.user.id);
      await join(app, organization.id, b.user, 'owner');
      await join(app, organization.id, member.user, 'member');
      const cast = { organization, memberId: member.user.id };
      const lose = (way: string, userId: string) =>
        transaction(app.runtime.deps.db, async (trx) => WAYS[way]?.(trx, { ...cast, userId }));
      const results = await Promise.all([lose(one, a.user.id), lose(other, b.user.id)]);
      expect(await ownersLeft(organization.id), `${one} and ${other}`).toBeGreaterThan(0);
      // Who hands over finds an owner for the other to go, unless it comes second.
      const refused = results.filter((result) => result?.ok === false).length;
      if (one !== 'hand over' && other !== 'hand over') {
        expect(refused, `${one} and ${other}`).toBe(1);
      }
    }
  },
);
