import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { hasOtherOwner } from '../ownership/store.ts';
import { isOwnerRole } from '../roles/store.ts';
import { insertMembershipRoles } from '../store.ts';
import { type Actor, type MemberResult, mayHandle, rolesOf } from './actor.ts';
import { deleteMembershipRoles, lockMember } from './store.ts';

/**
 * Gives a member these roles instead of those they have: at the next issue tokens say so. Nobody gives
 * what they lack, or takes anything from somebody who holds more.
 */
export async function changeRoles(
  trx: Trx,
  origin: Origin,
  change: { organizationId: string; userId: string; roleIds: readonly string[]; actor: Actor },
): Promise<MemberResult> {
  const { organizationId, userId, roleIds, actor } = change;
  const member = await lockMember(trx, organizationId, userId);
  if (member === undefined) return { ok: false, reason: 'not_member' };
  const { all, held } = await rolesOf(trx, organizationId, member);
  const wanted = all.filter(({ id }) => roleIds.includes(id));
  if (wanted.length < new Set(roleIds).size) return { ok: false, reason: 'role_unknown' };
  const added = wanted.filter((role) => !held.includes(role));
  const removed = held.filter((role) => !wanted.includes(role));
  if (added.length + removed.length === 0) return { ok: true, changed: false };
  if (!mayHandle(actor, held)) return { ok: false, reason: 'member_holds_more' };
  if (!mayHandle(actor, added)) return { ok: false, reason: 'role_not_held' };
  if (removed.some(isOwnerRole) && !(await hasOtherOwner(trx, organizationId, userId))) {
    return { ok: false, reason: 'last_owner' };
  }
  const idsOf = (roles: typeof all) => roles.map(({ id }) => id);
  await insertMembershipRoles(trx, organizationId, userId, idsOf(added));
  await deleteMembershipRoles(trx, organizationId, userId, idsOf(removed));
  const keysOf = (roles: typeof all) => roles.map(({ key }) => key).toSorted();
  const data = { added: keysOf(added), removed: keysOf(removed) };
  await record(trx, origin, { type: 'member.roles_changed', organizationId, userId, data });
  return { ok: true, changed: true };
}
