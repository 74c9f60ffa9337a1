import { isId } from '../../db/id.ts';
import type { Db, Trx } from '../../deps.ts';
import type { MembershipSource } from '../store.ts';

export type MemberStatus = 'active' | 'suspended';

/** A role as it is told of a member. */
export type MemberRole = { id: string; key: string; name: string; builtin: boolean };

/** Somebody in an organization. */
export type Member = {
  user_id: string;
  status: MemberStatus;
  source: MembershipSource;
  joined_at: Date;
  name: string | null;
  email: string | null;
  username: string | null;
  picture: string | null;
  locale: string | null;
  /** Whether the installation lets them sign in at all. */
  usable: boolean;
  /** The built-in ones first, then in order of key. */
  roles: MemberRole[];
};

/** What is told of a member `m`, whose user is `u`. */
export const MEMBER_COLUMNS = `m.user_id, m.status, m.source, m.joined_at,
  coalesce(nullif(u.name, ''), nullif(concat_ws(' ', u.given_name, u.family_name), '')) AS name,
  u.email, u.username, u.picture, u.locale, u.status = 'active' AS usable,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'builtin', r.builtin)
      ORDER BY r.builtin DESC, CASE WHEN r.builtin THEN r.id END, r.key)
    FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
    WHERE mr.organization_id = m.organization_id AND mr.user_id = m.user_id), '[]') AS roles`;

/** The member of an organization with this user id, whatever their status. */
export async function findMember(
  db: Db,
  organizationId: string,
  userId: string,
): Promise<Member | undefined> {
  if (!isId(userId)) return undefined;
  const { rows } = await db.raw<{ rows: Member[] }>(
    `SELECT ${MEMBER_COLUMNS} FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE m.organization_id = ? AND m.user_id = ?`,
    [organizationId, userId],
  );
  return rows[0];
}

/** Whether somebody is a member, suspended or not. */
export async function isMember(db: Db, organizationId: string, userId: string): Promise<boolean> {
  const where = { organization_id: organizationId, user_id: userId };
  return (await db('memberships').where(where).first('user_id')) !== undefined;
}

/** A member as they are now: the organization is held first, as by every change of it. */
export async function lockMember(
  trx: Trx,
  organizationId: string,
  userId: string,
): Promise<Member | undefined> {
  await trx('organizations').where({ id: organizationId }).forNoKeyUpdate().first('id');
  return findMember(trx, organizationId, userId);
}

/** Whether there is an active user of this id, who stays one until the transaction ends. */
export async function holdActiveUser(trx: Trx, id: string): Promise<boolean> {
  const row = await trx('users').where({ id, status: 'active' }).forShare().first('id');
  return row !== undefined;
}

/** Takes roles from a member. */
export async function deleteMembershipRoles(
  trx: Trx,
  organizationId: string,
  userId: string,
  roleIds: readonly string[],
): Promise<void> {
  await trx('membership_roles')
    .where({ organization_id: organizationId, user_id: userId })
    .whereIn('role_id', roleIds)
    .delete();
}

/** Changes a member's status. */
export async function updateMemberStatus(
  trx: Trx,
  organizationId: string,
  userId: string,
  status: MemberStatus,
): Promise<void> {
  await trx('memberships')
    .where({ organization_id: organizationId, user_id: userId })
    .update({ status });
}

/** Ends a membership, and what rests on it. @returns whether there was one. */
export async function deleteMembership(
  trx: Trx,
  organizationId: string,
  userId: string,
): Promise<boolean> {
  const deleted = await trx('memberships')
    .where({ organization_id: organizationId, user_id: userId })
    .delete();
  return deleted > 0;
}
