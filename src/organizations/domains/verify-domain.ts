import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { type Reservation, reserve } from '../../throttle/throttle.ts';
import type { RecordState } from './find-record.ts';
import { type Domain, findDomain, markChecked, markProven } from './store.ts';

export type VerifyResult =
  | { ok: true }
  /** `taken`: another organization has proven it; `gone`: it is none of this organization's. */
  | { ok: false; reason: Exclude<RecordState, 'found'> | 'taken' | 'gone' };

/** Counts a look at DNS that a member asks for: twenty an hour for an organization, then ever fewer. */
export function reserveLookup(trx: Trx, organizationId: string): Promise<Reservation> {
  return reserve(trx, [{ scope: 'lookup', id: organizationId }]);
}

/**
 * Notes what a domain's record was found to say, and by that whose it is. The organization is held by
 * the caller. A record that is gone takes nothing away at once: the daily check does.
 *
 * @param seen the domain that was looked up.
 */
export async function verifyDomain(
  trx: Trx,
  origin: Origin,
  seen: Domain,
  state: RecordState,
): Promise<VerifyResult> {
  const { id, organization_id: organizationId } = seen;
  const domain = await findDomain(trx, organizationId, id);
  if (domain === undefined) return { ok: false, reason: 'gone' };
  if (state !== 'found') {
    await markChecked(trx, id, state === 'unknown' ? undefined : domain.verified_at !== null);
    return { ok: false, reason: state };
  }
  if (!(await markProven(trx, id))) return { ok: false, reason: 'taken' };
  if (domain.verified_at === null) {
    const data = { name: domain.name };
    await record(trx, origin, { type: 'domain.verified', organizationId, data });
  }
  return { ok: true };
}
