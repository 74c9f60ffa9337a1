import type { Origin } from '../audit/events.ts';
import type { Trx } from '../deps.ts';
import { lockActiveUser } from '../users/store.ts';
import {
  type CreateResult,
  createOrganization,
  type NewOrganization,
} from './create-organization.ts';
import { isMember } from './members/store.ts';
import { nextCreation, wasMade } from './ownership/store.ts';
import { findOrganization, type Organization } from './store.ts';

/** How many organizations somebody makes in an hour. */
const PER_HOUR = 10;

export type CreateOwnResult =
  | { ok: true; organization: Organization }
  | Extract<CreateResult, { ok: false }>
  /** It was made, and is deleted or theirs no longer: none is of its id again, by which apps know it. */
  | { ok: false; reason: 'gone' }
  /** `retryAfter` in seconds. */
  | { ok: false; reason: 'throttled'; retryAfter: number };

/** Makes an organization for somebody; of N that ask for one of the same id, all get that one. */
export async function createOwnOrganization(
  trx: Trx,
  origin: Origin,
  wanted: NewOrganization & { id: string },
): Promise<CreateOwnResult> {
  // One after the other, or those made at once would outrun the count.
  await lockActiveUser(trx, wanted.ownerId);
  const organization = await findOrganization(trx, wanted.id);
  if (organization && (await isMember(trx, organization.id, wanted.ownerId))) {
    return { ok: true, organization };
  }
  if (await wasMade(trx, wanted.id)) return { ok: false, reason: 'gone' };
  const retryAfter = await nextCreation(trx, wanted.ownerId, PER_HOUR);
  if (retryAfter > 0) return { ok: false, reason: 'throttled', retryAfter };
  return createOrganization(trx, origin, wanted);
}
