import { unlessTaken } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';

export type Domain = {
  id: string;
  organization_id: string;
  /** In lower case and Punycode. */
  name: string;
  /** What the TXT record has to say. */
  token: string;
  verified_at: Date | null;
  checked_at: Date | null;
  /** Since when the record of a proven domain is missing. */
  missing_since: Date | null;
  created_at: Date;
};

/** An organization's domains, in order of name. */
export async function listDomains(db: Db, organizationId: string): Promise<Domain[]> {
  return db('domains').where({ organization_id: organizationId }).orderBy('name');
}

/** A domain of this organization; undefined for another's. */
export async function findDomain(
  db: Db,
  organizationId: string,
  id: string,
): Promise<Domain | undefined> {
  return db('domains').where({ organization_id: organizationId, id }).first();
}

/** The domain of this name that an organization has. */
export async function findDomainByName(
  db: Db,
  organizationId: string,
  name: string,
): Promise<Domain | undefined> {
  return db('domains').where({ organization_id: organizationId, name }).first();
}

/** Inserts a domain. @throws the driver's unique_violation when the organization has it. */
export async function insertDomain(
  trx: Trx,
  domain: Pick<Domain, 'id' | 'organization_id' | 'name' | 'token'>,
): Promise<Domain> {
  const [row] = await trx('domains').insert(domain).returning('*');
  return row;
}

/** How many domains an organization has, proven or not. */
export async function countDomains(db: Db, organizationId: string): Promise<number> {
  const row = await db('domains')
    .where({ organization_id: organizationId })
    .count<{ count: string }[]>()
    .first();
  return Number(row?.count);
}

/** Whether a domain is another organization's. */
export async function isDomainOfAnother(
  db: Db,
  organizationId: string,
  id: string,
): Promise<boolean> {
  const row = await db('domains')
    .where({ id })
    .whereNot({ organization_id: organizationId })
    .first('id');
  return row !== undefined;
}

/** Whether an organization has proven a domain. */
export async function hasProvenDomain(db: Db, organizationId: string): Promise<boolean> {
  const row = await db('domains')
    .where({ organization_id: organizationId })
    .whereNotNull('verified_at')
    .first('id');
  return row !== undefined;
}

/** Deletes a domain of an organization. @returns the row that is gone. */
export async function takeDomain(
  trx: Trx,
  organizationId: string,
  id: string,
): Promise<Domain | undefined> {
  const [row] = await trx('domains')
    .where({ organization_id: organizationId, id })
    .delete()
    .returning('*');
  return row;
}

/**
 * Notes that the record of a domain was found just now, which makes it the organization's.
 *
 * @returns false when another organization was first.
 */
export async function markProven(trx: Trx, id: string): Promise<boolean> {
  const proven = await unlessTaken(trx, async (savepoint) =>
    savepoint('domains')
      .where({ id })
      .update({
        verified_at: savepoint.raw('coalesce(verified_at, now())'),
        checked_at: savepoint.fn.now(),
        missing_since: null,
      }),
  );
  return proven !== undefined;
}

/** Notes that a domain was looked at; `missing`: that its record isn't there, undefined: that nobody knows. */
export async function markChecked(
  trx: Trx,
  id: string,
  missing: boolean | undefined,
): Promise<void> {
  const since = missing ? trx.raw('coalesce(missing_since, now())') : null;
  await trx('domains')
    .where({ id })
    .update({
      checked_at: trx.fn.now(),
      ...(missing === undefined ? {} : { missing_since: since }),
    });
}

/** Whether a domain's record has been missing for so many days. */
export async function isMissingFor(trx: Trx, id: string, days: number): Promise<boolean> {
  const row = await trx('domains')
    .where({ id })
    .whereRaw('missing_since <= now() - make_interval(days => ?)', [days])
    .first('id');
  return row !== undefined;
}

/** Makes a domain nobody's. */
export async function markUnproven(trx: Trx, id: string): Promise<void> {
  await trx('domains').where({ id }).update({ verified_at: null, missing_since: null });
}

/**
 * Proven domains that weren't looked at for most of a day, longest ago first; from now on they were.
 * Those that somebody else holds are passed over.
 */
export async function claimDueDomains(trx: Trx, limit: number): Promise<Domain[]> {
  const { rows } = await trx.raw<{ rows: Domain[] }>(
    `UPDATE domains SET checked_at = now() WHERE id IN (
       SELECT id FROM domains
       WHERE verified_at IS NOT NULL AND checked_at < now() - interval '23 hours'
       ORDER BY checked_at LIMIT :limit FOR UPDATE SKIP LOCKED)
     RETURNING *`,
    { limit },
  );
  return rows;
}
