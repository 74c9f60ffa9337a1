import { v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import { findActiveUser } from '../users/store.ts';
import { tidyName } from './name.ts';
import { BUILTIN_ROLES } from './permissions.ts';
import { isSlug, slugOf } from './slug.ts';
import {
  insertMembership,
  insertMembershipRoles,
  insertOrganization,
  type Organization,
} from './store.ts';

export type NewOrganization = {
  name: string;
  /** Made of the name unless given. */
  slug?: string | undefined;
  ownerId: string;
  /** One that no other has; a new one unless given. */
  id?: string;
};

export type CreateResult =
  | { ok: true; organization: Organization }
  | { ok: false; reason: 'name_missing' | 'slug_invalid' | 'slug_taken' | 'owner_unknown' };

/** Makes an organization with its first owner. */
export async function createOrganization(
  trx: Trx,
  origin: Origin,
  { name: given, slug: wanted, ownerId, id = uuid() }: NewOrganization,
): Promise<CreateResult> {
  const name = tidyName(given);
  if (name === undefined) return { ok: false, reason: 'name_missing' };
  const slug = wanted ?? slugOf(name);
  if (!isSlug(slug)) return { ok: false, reason: 'slug_invalid' };
  if ((await findActiveUser(trx, ownerId)) === undefined) {
    return { ok: false, reason: 'owner_unknown' };
  }
  const organization = await insertUnlessFormer(trx, { id, slug, name });
  if (organization === undefined) return { ok: false, reason: 'slug_taken' };
  await insertMembership(trx, id, ownerId, 'created');
  await insertMembershipRoles(trx, id, ownerId, [BUILTIN_ROLES.owner]);
  const data = { slug, name };
  await record(trx, origin, {
    type: 'organization.created',
    organizationId: id,
    userId: ownerId,
    data,
  });
  return { ok: true, organization };
}

/** In a savepoint, so that a slug that another had before doesn't end the caller's transaction. */
async function insertUnlessFormer(
  trx: Trx,
  organization: Pick<Organization, 'id' | 'slug' | 'name'>,
): Promise<Organization | undefined> {
  try {
    return await trx.transaction((savepoint) => insertOrganization(savepoint, organization));
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'former_slugs_pkey') return undefined;
    throw error;
  }
}
