import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { deleteMembershipRoles } from '../members/store.ts';
import { BUILTIN_ROLES } from '../permissions.ts';
import { insertMembershipRoles, type Organization } from '../store.ts';
import { type OwnerTools, tellOwner } from '../tell-owners.ts';
import { isOwner, isStayingMember, listOwners } from './store.ts';

export type TransferResult =
  | { ok: true }
  | { ok: false; reason: 'not_owner' | 'same_person' | 'member_unknown' };

/**
 * Makes another member the owner in place of one, who becomes an admin; in an organization that is
 * held (lockOrganizationFor). Roles they have beside stay.
 */
export async function transferOwnership(
  trx: Trx,
  tools: OwnerTools,
  origin: Origin,
  organization: Pick<Organization, 'id' | 'slug' | 'name'>,
  { from, to }: { from: string; to: string },
): Promise<TransferResult> {
  const { id: organizationId } = organization;
  if (!(await isOwner(trx, organizationId, from))) return { ok: false, reason: 'not_owner' };
  if (from === to) return { ok: false, reason: 'same_person' };
  if (!(await isStayingMember(trx, organizationId, to))) {
    return { ok: false, reason: 'member_unknown' };
  }
  await insertMembershipRoles(trx, organizationId, to, [BUILTIN_ROLES.owner]);
  await insertMembershipRoles(trx, organizationId, from, [BUILTIN_ROLES.admin]);
  await deleteMembershipRoles(trx, organizationId, from, [BUILTIN_ROLES.owner]);
  await record(trx, origin, {
    type: 'organization.owner_transferred',
    organizationId,
    userId: to,
    data: { from },
  });
  const owner = (await listOwners(trx, organizationId)).find(({ id }) => id === to);
  const url = `${tools.issuer}/account/organizations/${organization.slug}`;
  const vars = { organization: organization.name, url };
  if (owner) await tellOwner(trx, tools, owner, { template: 'organization-owner', vars });
  return { ok: true };
}
