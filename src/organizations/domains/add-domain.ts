import { v7 as uuid } from 'uuid';
import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Deps, Trx } from '../../deps.ts';
import { isConsumerDomain } from './consumer-domains.ts';
import { canonicalDomain } from './name.ts';
import { countDomains, type Domain, findDomainByName, insertDomain } from './store.ts';

/** Most domains that one organization has, proven or not. */
const MAX_DOMAINS = 20;

/** Bytes of the token that a record has to repeat. It is no secret: only DNS can show it. */
const TOKEN_BYTES = 32;

export type AddResult =
  | { ok: true; domain: Domain }
  | { ok: false; reason: 'invalid' | 'consumer' | 'too_many' };

/**
 * Notes a domain that an organization is going to prove. The organization is held by the caller. One
 * that it has already is given as it is.
 */
export async function addDomain(
  trx: Trx,
  { randomBytes }: Pick<Deps, 'randomBytes'>,
  origin: Origin,
  organizationId: string,
  written: string,
): Promise<AddResult> {
  const name = canonicalDomain(written);
  if (name === undefined) return { ok: false, reason: 'invalid' };
  if (isConsumerDomain(name)) return { ok: false, reason: 'consumer' };
  const existing = await findDomainByName(trx, organizationId, name);
  if (existing !== undefined) return { ok: true, domain: existing };
  if ((await countDomains(trx, organizationId)) >= MAX_DOMAINS) {
    return { ok: false, reason: 'too_many' };
  }
  const domain = await insertDomain(trx, {
    id: uuid(),
    organization_id: organizationId,
    name,
    token: randomBytes(TOKEN_BYTES).toString('base64url'),
  });
  await record(trx, origin, { type: 'domain.added', organizationId, data: { name } });
  return { ok: true, domain };
}
