import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { unlessTaken } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { tidyName } from './name.ts';
import { isSlug } from './slug.ts';
import { type Organization, type OrganizationChange, updateOrganization } from './store.ts';

export type ProfileChange = {
  name?: string | undefined;
  slug?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
};

export type UpdateResult =
  | { ok: true; organization: Organization }
  | { ok: false; reason: 'name_missing' | 'slug_invalid' | 'slug_taken' };

/**
 * Changes what an organization that is held (lockOrganizationFor) is called, and what is noted of it.
 * Nobody finds it by the slug before any more, and no other organization is given that.
 */
export async function changeOrganizationProfile(
  trx: Trx,
  origin: Origin,
  organization: Organization,
  given: ProfileChange,
): Promise<UpdateResult> {
  const name = given.name === undefined ? organization.name : tidyName(given.name);
  if (name === undefined) return { ok: false, reason: 'name_missing' };
  const slug = given.slug ?? organization.slug;
  if (slug !== organization.slug && !isSlug(slug)) return { ok: false, reason: 'slug_invalid' };
  const change: OrganizationChange = {
    ...(name === organization.name ? {} : { name }),
    ...(slug === organization.slug ? {} : { slug }),
    ...(given.metadata === undefined ? {} : { metadata: given.metadata }),
  };
  const fields = Object.keys(change);
  if (fields.length === 0) return { ok: true, organization };
  const changed = await unlessTaken(trx, (savepoint) =>
    updateOrganization(savepoint, organization.id, change),
  );
  if (changed === undefined) return { ok: false, reason: 'slug_taken' };
  await record(trx, origin, {
    type: 'organization.updated',
    organizationId: organization.id,
    data: { fields },
  });
  return { ok: true, organization: changed };
}
