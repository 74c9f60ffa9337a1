import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { endOrganizationAccess } from '../../oidc-state/organization-access.ts';
import { hasOtherOwner } from '../ownership/store.ts';
import { isOwnerRole } from '../roles/store.ts';
import { type Actor, type MemberResult, mayHandle, rolesOf } from './actor.ts';
import { lockMember, updateMemberStatus } from './store.ts';

type Whose = { organizationId: string; userId: string; actor: Actor };

/** Keeps a member out of the organization, at once: their roles stay, for when they are let in again. */
export async function suspendMember(
  trx: Trx,
  origin: Origin,
  { organizationId, userId, actor }: Whose,
): Promise<MemberResult> {
  const member = await lockMember(trx, organizationId, userId);
  if (member === undefined) return { ok: false, reason: 'not_member' };
  const { held } = await rolesOf(trx, organizationId, member);
  if (!mayHandle(actor, held)) return { ok: false, reason: 'member_holds_more' };
  if (member.status === 'suspended') return { ok: true, changed: false };
  if (held.some(isOwnerRole) && !(await hasOtherOwner(trx, organizationId, userId))) {
    return { ok: false, reason: 'last_owner' };
  }
  // Grants first, as where a user is deleted with their memberships: neither waits for the other.
  await endOrganizationAccess(trx, organizationId, userId);
  await updateMemberStatus(trx, organizationId, userId, 'suspended');
  await record(trx, origin, { type: 'member.suspended', organizationId, userId });
  return { ok: true, changed: true };
}

/** Lets a suspended member in again, with the roles they have: nobody who couldn't give them may. */
export async function activateMember(
  trx: Trx,
  origin: Origin,
  { organizationId, userId, actor }: Whose,
): Promise<MemberResult> {
  const member = await lockMember(trx, organizationId, userId);
  if (member === undefined) return { ok: false, reason: 'not_member' };
  const { held } = await rolesOf(trx, organizationId, member);
  if (!mayHandle(actor, held)) return { ok: false, reason: 'member_holds_more' };
  if (member.status === 'active') return { ok: true, changed: false };
  await updateMemberStatus(trx, organizationId, userId, 'active');
  await record(trx, origin, { type: 'member.activated', organizationId, userId });
  return { ok: true, changed: true };
}
