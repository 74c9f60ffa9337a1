import { execute } from '../../db/prepared.ts';
import type { Db, Trx } from '../../deps.ts';
import type { Organization } from '../store.ts';

/** An organization that somebody may join. */
export type Joinable = Pick<Organization, 'id' | 'slug' | 'name'>;

const OPEN_TO = `FROM domains d
  JOIN organizations o ON o.id = d.organization_id
  WHERE d.name = $1 AND d.verified_at IS NOT NULL AND o.join_by_domain AND o.delete_after IS NULL`;

const FIND_JOINABLE = {
  name: 'organization-joinable',
  text: `SELECT o.id, o.slug, o.name ${OPEN_TO} AND NOT EXISTS (
      SELECT FROM memberships m WHERE m.organization_id = o.id AND m.user_id = $2)`,
};

/** The organization that lets people with an address at this domain in, unless this one is known there. */
export async function findOpenTo(
  db: Db,
  domain: string,
  userId: string,
): Promise<Joinable | undefined> {
  return (await execute<Joinable>(db, FIND_JOINABLE, [domain, userId])).rows[0];
}

/** {@link findOpenTo} within a transaction, whoever is a member: whether the organization lets them in. */
export async function isOpenTo(trx: Trx, organizationId: string, domain: string): Promise<boolean> {
  const row = await trx('domains as d')
    .join('organizations as o', 'o.id', 'd.organization_id')
    .where({ 'd.name': domain, 'o.id': organizationId, 'o.join_by_domain': true })
    .whereNotNull('d.verified_at')
    .whereNull('o.delete_after')
    .first('o.id');
  return row !== undefined;
}

/**
 * Whether somebody's membership was ended by others the last time it changed, as the audit log knows:
 * an address that they once proved isn't to undo that. Who left by themselves may come again.
 *
 * @param since only if it was after this.
 */
export async function wasRemoved(
  db: Db,
  organizationId: string,
  userId: string,
  since = new Date(0),
): Promise<boolean> {
  const last = await db('audit_events')
    .where({ organization_id: organizationId, user_id: userId })
    .whereIn('type', ['member.added', 'member.left', 'member.removed'])
    .orderBy('id', 'desc')
    .first('type', 'at');
  return last?.type === 'member.removed' && last.at > since;
}
