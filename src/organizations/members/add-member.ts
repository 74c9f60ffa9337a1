import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { listRoles } from '../roles/store.ts';
import { insertMembership, insertMembershipRoles, type MembershipSource } from '../store.ts';
import { type Actor, mayHandle, type Refusal } from './actor.ts';
import { holdActiveUser, lockMember } from './store.ts';

export type NewMember = {
  organizationId: string;
  userId: string;
  roleIds: readonly string[];
  source: MembershipSource;
  actor: Actor;
};

export type AddResult =
  | { ok: true }
  | {
      ok: false;
      /** `already_member` also of one who is suspended, and stays so. */
      reason:
        | 'already_member'
        | 'user_unknown'
        | Extract<Refusal, 'role_unknown' | 'role_not_held'>;
    };

/** Makes an active user a member with these roles. */
export async function addMember(
  trx: Trx,
  origin: Origin,
  { organizationId, userId, roleIds, source, actor }: NewMember,
): Promise<AddResult> {
  const member = await lockMember(trx, organizationId, userId);
  if (member !== undefined) return { ok: false, reason: 'already_member' };
  const all = await listRoles(trx, organizationId);
  const roles = all.filter(({ id }) => roleIds.includes(id));
  if (roles.length < new Set(roleIds).size) return { ok: false, reason: 'role_unknown' };
  if (!mayHandle(actor, roles)) return { ok: false, reason: 'role_not_held' };
  if (!(await holdActiveUser(trx, userId))) return { ok: false, reason: 'user_unknown' };
  await insertMembership(trx, organizationId, userId, source);
  await insertMembershipRoles(trx, organizationId, userId, roleIds);
  const data = { source, roles: roles.map(({ key }) => key).toSorted() };
  await record(trx, origin, { type: 'member.added', organizationId, userId, data });
  return { ok: true };
}
