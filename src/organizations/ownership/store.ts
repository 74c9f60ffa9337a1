import type { Db, Trx } from '../../deps.ts';
import { BUILTIN_ROLES } from '../permissions.ts';
import type { Organization } from '../store.ts';

const OWNERS = `SELECT m.organization_id, u.id, u.email, u.email_verified_at, u.locale, u.zoneinfo
  FROM membership_roles r
  JOIN memberships m ON m.organization_id = r.organization_id AND m.user_id = r.user_id
  JOIN users u ON u.id = m.user_id
  WHERE r.role_id = '${BUILTIN_ROLES.owner}' AND m.status = 'active' AND u.status = 'active'`;

/** Memberships `m` with which somebody owns something; by the person's own, as all owners are many. */
const OWNED = `FROM memberships m
  JOIN membership_roles mine ON mine.organization_id = m.organization_id AND mine.user_id = m.user_id
  WHERE m.user_id = :userId AND mine.role_id = :owner`;

/** An owner, as far as mails to them go. */
export type Owner = {
  id: string;
  email: string | null;
  email_verified_at: Date | null;
  locale: string | null;
  zoneinfo: string | null;
};

/** Those who own an organization and can sign in. */
export async function listOwners(db: Db, organizationId: string): Promise<Owner[]> {
  const { rows } = await db.raw(`${OWNERS} AND r.organization_id = ? ORDER BY u.id`, [
    organizationId,
  ]);
  return rows;
}

/** Whether somebody is an active owner, also of an organization that is being deleted. */
export async function isOwner(db: Db, organizationId: string, userId: string): Promise<boolean> {
  const { rows } = await db.raw(`${OWNERS} AND r.organization_id = ? AND r.user_id = ?`, [
    organizationId,
    userId,
  ]);
  return rows.length > 0;
}

/** Whether an organization is left with an owner who can sign in, and stays, when this one goes. */
export async function hasOtherOwner(
  db: Db,
  organizationId: string,
  userId: string,
): Promise<boolean> {
  const { rows } = await db.raw(
    `SELECT FROM (${OWNERS} AND u.delete_after IS NULL) o WHERE o.organization_id = ? AND o.id <> ? LIMIT 1`,
    [organizationId, userId],
  );
  return rows.length > 0;
}

/**
 * The ids of those that a person belongs to, held in one order, so that of two who go neither waits for
 * the other.
 */
export async function lockOrganizationsOf(trx: Trx, userId: string): Promise<string[]> {
  const { rows } = await trx.raw<{ rows: { id: string }[] }>(
    `SELECT id FROM organizations
     WHERE id IN (SELECT organization_id FROM memberships WHERE user_id = ?)
     ORDER BY id FOR NO KEY UPDATE`,
    [userId],
  );
  return rows.map(({ id }) => id);
}

/**
 * Organizations that would be left without an owner who stays if this user were gone in so many days;
 * those that are gone themselves by then don't count.
 */
export async function listOwnedAlone(
  db: Db,
  userId: string,
  days: number,
): Promise<Pick<Organization, 'id' | 'slug' | 'name'>[]> {
  const { rows } = await db.raw(
    `SELECT o.id, o.slug, o.name FROM organizations o
     WHERE o.id IN (SELECT m.organization_id ${OWNED} AND m.status = 'active')
       AND (:days::int = 0 OR o.delete_after IS NULL
         OR o.delete_after > now() + make_interval(days => :days::int))
       -- Counted, as one organization after the other is quicker than their members joined.
       AND (SELECT count(*) FROM (${OWNERS} AND u.delete_after IS NULL) other
         WHERE other.organization_id = o.id AND other.id <> :userId) = 0
     ORDER BY o.slug`,
    { userId, days, owner: BUILTIN_ROLES.owner },
  );
  return rows;
}

/** Whether the database would keep a user, for an organization that has no other owner. */
export async function isKeptAsOwner(trx: Trx, userId: string): Promise<boolean> {
  const { rows } = await trx.raw(
    `SELECT ${OWNED}
       AND NOT EXISTS (SELECT FROM membership_roles r
         JOIN memberships other ON other.organization_id = r.organization_id AND other.user_id = r.user_id
         WHERE r.organization_id = m.organization_id AND r.role_id = :owner
           AND r.user_id <> :userId AND other.status = 'active')
     LIMIT 1`,
    { userId, owner: BUILTIN_ROLES.owner },
  );
  return rows.length > 0;
}

/** Organizations that somebody owns and that are being deleted, the next one first. */
export async function listDeletedOrganizationsOf(
  db: Db,
  userId: string,
): Promise<(Pick<Organization, 'id' | 'slug' | 'name'> & { delete_after: Date })[]> {
  const { rows } = await db.raw(
    `SELECT o.id, o.slug, o.name, o.delete_after
     FROM (${OWNERS} AND u.id = ?) mine JOIN organizations o ON o.id = mine.organization_id
     WHERE o.delete_after IS NOT NULL ORDER BY o.delete_after, o.id`,
    [userId],
  );
  return rows;
}

/** Whether somebody is a member who isn't suspended, and neither is nor goes as a user. */
export async function isStayingMember(
  db: Db,
  organizationId: string,
  userId: string,
): Promise<boolean> {
  const { rows } = await db.raw(
    `SELECT FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE m.organization_id = ? AND m.user_id = ? AND m.status = 'active'
       AND u.status = 'active' AND u.delete_after IS NULL`,
    [organizationId, userId],
  );
  return rows.length > 0;
}

/** How many members an organization has, counted no further than `most`. */
export async function countMembers(db: Db, organizationId: string, most: number): Promise<number> {
  const { rows } = await db.raw(
    `SELECT count(*)::int AS members FROM (
       SELECT FROM memberships WHERE organization_id = ? LIMIT ?) counted`,
    [organizationId, most],
  );
  return rows[0].members;
}

/**
 * Seconds until a person may make another organization, of so many an hour; 0 for now. The audit log
 * also knows of those that are gone.
 */
export async function nextCreation(trx: Trx, userId: string, perHour: number): Promise<number> {
  const { rows } = await trx.raw<{ rows: { seconds: number }[] }>(
    `SELECT ceil(extract(epoch FROM at + interval '1 hour' - now()))::int AS seconds
     FROM audit_events
     WHERE user_id = ? AND type = 'organization.created' AND actor = ? AND at > now() - interval '1 hour'
     ORDER BY id DESC OFFSET ? LIMIT 1`,
    [userId, `user:${userId}`, perHour - 1],
  );
  return Math.max(0, rows[0]?.seconds ?? 0);
}

/** Whether there ever was an organization of this id, as the audit log knows. */
export async function wasMade(db: Db, id: string): Promise<boolean> {
  const row = await db('audit_chains').where({ organization_id: id }).first('position');
  return row !== undefined;
}

/** Whether one person handed the organization over to the other, as the audit log knows. */
export async function wasTransferred(
  db: Db,
  organizationId: string,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  const { rows } = await db.raw(
    `SELECT FROM audit_events WHERE organization_id = ? AND user_id = ?
       AND type = 'organization.owner_transferred' AND data->>'from' = ? LIMIT 1`,
    [organizationId, to, from],
  );
  return rows.length > 0;
}
