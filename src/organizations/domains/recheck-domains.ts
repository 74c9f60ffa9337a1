import { SYSTEM } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import type { Deps, Trx } from '../../deps.ts';
import { lockOrganizationFor } from '../store.ts';
import { type OwnerTools, tellOwners } from '../tell-owners.ts';
import { findRecord, type RecordState } from './find-record.ts';

import {
  claimDueDomains,
  type Domain,
  findDomain,
  isMissingFor,
  markChecked,
  markUnproven,
} from './store.ts';

/** Days for which the record of a domain may be missing before it is nobody's. */
export const GRACE_DAYS = 7;

/** Domains that are looked up at a time. */
const BATCH = 20;

/** Milliseconds after which no other batch is begun: a job that takes longer could run twice. */
const BUDGET = 30_000;

/**
 * Looks up the records of proven domains that weren't looked at today; of two replicas that do so at
 * once, each takes others. A record that is missing for a week takes the domain away, of which owners
 * are told; that nobody knows whether it is there changes nothing.
 */
export async function recheckDomains(
  deps: Pick<Deps, 'db' | 'now' | 'log' | 'resolveTxt'>,
  tools: OwnerTools,
): Promise<void> {
  const end = deps.now().getTime() + BUDGET;
  const failed: unknown[] = [];
  do {
    const domains = await transaction(deps.db, (trx) => claimDueDomains(trx, BATCH));
    if (domains.length === 0) break;
    const states = await Promise.all(domains.map((domain) => findRecord(deps, domain)));
    for (const [index, domain] of domains.entries()) {
      const state = states[index] ?? 'unknown';
      if (state === 'unknown') continue;
      try {
        await transaction(deps.db, (trx) => noteRecord(trx, tools, domain, state));
      } catch (error) {
        deps.log.warn({ err: error }, 'what DNS says of a domain could not be noted');
        failed.push(error);
      }
    }
  } while (deps.now().getTime() < end);
  if (failed.length > 0) throw failed[0];
}

async function noteRecord(
  trx: Trx,
  tools: OwnerTools,
  { id, organization_id: organizationId }: Domain,
  state: RecordState,
): Promise<void> {
  const organization = await lockOrganizationFor(trx, organizationId, undefined);
  const domain = await findDomain(trx, organizationId, id);
  // It may have been removed meanwhile.
  if (organization === undefined || !domain?.verified_at) return;
  await markChecked(trx, id, state !== 'found');
  if (state === 'found' || !(await isMissingFor(trx, id, GRACE_DAYS))) return;
  await markUnproven(trx, id);
  const data = { name: domain.name };
  await record(trx, SYSTEM, { type: 'domain.lost', organizationId, data });
  const { name, slug } = organization;
  const url = `${tools.issuer}/account/organizations/${slug}/domains`;
  const vars = { domain: domain.name, organization: name, url };
  await tellOwners(trx, tools, organizationId, { template: 'organization-domain-lost', vars });
}
