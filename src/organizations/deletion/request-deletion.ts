import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { endOrganizationAccess } from '../../oidc-state/organization-access.ts';
import type { Organization } from '../store.ts';
import { type OwnerTools, tellOwners } from '../tell-owners.ts';
import { clearDeleteAfter, removeOrganization, setDeleteAfter } from './store.ts';

/**
 * Has an organization that is held (lockOrganizationFor) deleted in so many days, or at once with 0.
 * Nobody signs in to it from now on, what apps may do there ends, and its owners are told. Asked for
 * again it changes nothing, except at once.
 *
 * @returns when it takes place; undefined where it has.
 */
export async function requestOrganizationDeletion(
  trx: Trx,
  tools: OwnerTools,
  origin: Origin,
  organization: Organization,
  graceDays: number,
): Promise<Date | undefined> {
  const { id, name, delete_after: already } = organization;
  if (already !== null && graceDays > 0) return already;
  const about = { organizationId: id };
  const data = { graceDays };
  await record(trx, origin, { type: 'organization.deletion_requested', ...about, data });
  if (graceDays === 0) {
    await deleteOrganization(trx, tools, origin, organization);
    return undefined;
  }
  const at = await setDeleteAfter(trx, id, graceDays);
  await endOrganizationAccess(trx, id);
  const url = `${tools.issuer}/account/organizations`;
  const vars = { organization: name, at: at.toISOString(), url };
  await tellOwners(trx, tools, id, { template: 'organization-deletion-requested', vars });
  return at;
}

/** Keeps an organization whose deletion was asked for, while it is held. @returns whether it was. */
export async function restoreOrganization(
  trx: Trx,
  tools: OwnerTools,
  origin: Origin,
  { id, slug, name }: Pick<Organization, 'id' | 'slug' | 'name'>,
): Promise<boolean> {
  if (!(await clearDeleteAfter(trx, id))) return false;
  await record(trx, origin, { type: 'organization.deletion_cancelled', organizationId: id });
  const url = `${tools.issuer}/account/organizations/${slug}`;
  const vars = { organization: name, url };
  await tellOwners(trx, tools, id, { template: 'organization-deletion-cancelled', vars });
  return true;
}

/**
 * Deletes an organization with everything that is its own but the audit log, and tells its owners. Of
 * N that race, one gets true.
 */
export async function deleteOrganization(
  trx: Trx,
  tools: OwnerTools,
  origin: Origin,
  { id, slug, name }: Pick<Organization, 'id' | 'slug' | 'name'>,
): Promise<boolean> {
  const vars = { organization: name };
  await tellOwners(trx, tools, id, { template: 'organization-deleted', vars });
  await endOrganizationAccess(trx, id);
  if (!(await removeOrganization(trx, id))) return false;
  await record(trx, origin, { type: 'organization.deleted', organizationId: id, data: { slug } });
  return true;
}
