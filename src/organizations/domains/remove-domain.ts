import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { isDomainOfAnother, takeDomain } from './store.ts';

/**
 * Takes a domain from an organization, which the caller holds: another may prove it then. Who joined
 * by it stays. Once more, it changes nothing.
 *
 * @returns false for a domain of another organization.
 */
export async function removeDomain(
  trx: Trx,
  origin: Origin,
  organizationId: string,
  id: string,
): Promise<boolean> {
  const domain = await takeDomain(trx, organizationId, id);
  if (domain === undefined) return !(await isDomainOfAnother(trx, organizationId, id));
  const data = { name: domain.name };
  await record(trx, origin, { type: 'domain.removed', organizationId, data });
  return true;
}
