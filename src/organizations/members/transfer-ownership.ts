import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { BUILTIN_ROLES } from '../permissions.ts';
import { insertMembershipRoles } from '../store.ts';
import { isOwnerRole } from './actor.ts';
import { deleteMembershipRoles, findMember, holdActiveUser, lockMember } from './store.ts';

export type TransferResult =
  | { ok: true; changed: boolean }
  | {
      ok: false;
      /** `successor_unknown`: no active member, or suspended by the installation. */
      reason: 'not_owner' | 'successor_unknown' | 'same_person';
    };

/**
 * Makes a member an owner in place of another, who is an admin from then on. Asked for again, it
 * changes nothing.
 */
export async function transferOwnership(
  trx: Trx,
  origin: Origin,
  { organizationId, from, to }: { organizationId: string; from: string; to: string },
): Promise<TransferResult> {
  const owner = await lockMember(trx, organizationId, from);
  const successor = await findMember(trx, organizationId, to);
  const owns = owner?.status === 'active' && owner.roles.some(isOwnerRole);
  if (from === to) return { ok: false, reason: 'same_person' };
  if (!owns) {
    const done = owner !== undefined && successor?.roles.some(isOwnerRole) === true;
    return done ? { ok: true, changed: false } : { ok: false, reason: 'not_owner' };
  }
  if (successor?.status !== 'active' || !(await holdActiveUser(trx, to))) {
    return { ok: false, reason: 'successor_unknown' };
  }
  await insertMembershipRoles(trx, organizationId, to, [BUILTIN_ROLES.owner]);
  await insertMembershipRoles(trx, organizationId, from, [BUILTIN_ROLES.admin]);
  await deleteMembershipRoles(trx, organizationId, from, [BUILTIN_ROLES.owner]);
  const type = 'organization.owner_transferred';
  await record(trx, origin, { type, organizationId, userId: to, data: { from } });
  return { ok: true, changed: true };
}
