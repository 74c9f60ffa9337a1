import type { Db } from '../../deps.ts';
import { MEMBER_COLUMNS, type Member } from './store.ts';

/** Which members are wanted. */
export type MemberQuery = {
  organizationId: string;
  /** What names or addresses begin with. */
  search?: string | undefined;
  /** Whose role it is, by its id. */
  roleId?: string | undefined;
  /** The member after whom the list goes on, or before whom it ends; by user id. */
  after?: string | undefined;
  before?: string | undefined;
  /** At most so many. */
  limit: number;
};

/** Of a role that fewer have, its holders are looked through; of others, the members in order. */
const FEW = 2500;

/**
 * Members of an organization in order of name, as far as asked for. Whatever the size of the
 * organization, a few index rows are read; a search finds the first of each index.
 */
export async function findMembers(db: Db, query: MemberQuery): Promise<Member[]> {
  const values: Record<string, string | number | null> = {
    organization: query.organizationId,
    role: query.roleId ?? null,
    limit: query.limit,
  };
  const pattern = query.search?.replace(/[\\%_]/g, '\\$&');
  if (pattern) values.pattern = `${pattern}%`;
  const source = await sourceFor(db, query);
  const backwards = query.before !== undefined;
  const order = (key: string, down = '') => `${key} COLLATE "C"${down}, m.user_id${down}`;
  let wanted: string;
  if (pattern) {
    const hits = (key: string) => `(SELECT m.user_id, m.name_key FROM ${source}
      AND ${key} COLLATE "C" LIKE lower(:pattern) ORDER BY ${order(key)} LIMIT :limit)`;
    wanted = `${hits('m.name_key')} UNION ${hits('m.email_key')}`;
  } else {
    const from = await keyOf(db, query.organizationId, query.before ?? query.after);
    if (from !== undefined) Object.assign(values, from);
    const beyond = `AND (m.name_key COLLATE "C", m.user_id) ${backwards ? '<' : '>'} (:name, :user::uuid)`;
    wanted = `SELECT m.user_id, m.name_key FROM ${source} ${from === undefined ? '' : beyond}
      ORDER BY ${order('m.name_key', backwards ? ' DESC' : '')} LIMIT :limit`;
  }
  const down = backwards && !pattern ? ' DESC' : '';
  const { rows } = await db.raw<{ rows: Member[] }>(
    `SELECT ${MEMBER_COLUMNS} FROM (
       SELECT * FROM (${wanted}) w ORDER BY w.name_key COLLATE "C"${down}, w.user_id${down} LIMIT :limit) w
     JOIN memberships m ON m.organization_id = :organization AND m.user_id = w.user_id
     JOIN users u ON u.id = m.user_id
     ORDER BY ${order('m.name_key')}`,
    values,
  );
  return rows;
}

/** Where members are looked for, with the beginning of the condition. */
async function sourceFor(db: Db, { organizationId, roleId }: MemberQuery): Promise<string> {
  const all = 'memberships m WHERE m.organization_id = :organization';
  if (roleId === undefined) return all;
  const holders = await db('membership_roles')
    .where({ role_id: roleId, organization_id: organizationId })
    .limit(FEW + 1)
    .select('user_id');
  // A fence and a scalar: the planner isn't to think of a better way, by what it knows of all
  // organizations together.
  return holders.length > FEW
    ? `${all} AND (SELECT true FROM membership_roles mr WHERE mr.role_id = :role
        AND mr.organization_id = m.organization_id AND mr.user_id = m.user_id)`
    : `(SELECT m.* FROM membership_roles mr
        JOIN memberships m ON m.organization_id = mr.organization_id AND m.user_id = mr.user_id
        WHERE mr.role_id = :role AND mr.organization_id = :organization OFFSET 0) m WHERE true`;
}

/** Where in the order a member is; undefined for one who isn't there, or isn't asked for. */
async function keyOf(
  db: Db,
  organizationId: string,
  userId: string | undefined,
): Promise<{ name: string; user: string } | undefined> {
  if (userId === undefined) return undefined;
  const row = await db('memberships')
    .where({ organization_id: organizationId, user_id: userId })
    .first('name_key');
  return row === undefined ? undefined : { name: row.name_key, user: userId };
}
