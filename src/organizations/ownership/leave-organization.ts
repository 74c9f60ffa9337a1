import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { endOrganizationAccess } from '../../oidc-state/organization-access.ts';
import { deleteMembership } from '../members/store.ts';
import { hasOtherOwner, isOwner } from './store.ts';

export type LeaveResult = { ok: true } | { ok: false; reason: 'last_owner' };

/**
 * Ends somebody's own membership, in an organization that is held (lockOrganizationFor). Its last
 * owner stays.
 */
export async function leaveOrganization(
  trx: Trx,
  origin: Origin,
  organizationId: string,
  userId: string,
): Promise<LeaveResult> {
  if (
    (await isOwner(trx, organizationId, userId)) &&
    !(await hasOtherOwner(trx, organizationId, userId))
  ) {
    return { ok: false, reason: 'last_owner' };
  }
  await endOrganizationAccess(trx, organizationId, userId);
  if (await deleteMembership(trx, organizationId, userId)) {
    await record(trx, origin, { type: 'member.left', organizationId, userId });
  }
  return { ok: true };
}
