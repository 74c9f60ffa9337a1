import { isId } from '../../db/id.ts';
import { unlessTaken } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import type { Held } from '../permissions.ts';

export type Role = {
  id: string;
  /** Null for a role of all organizations, which only the installation changes. */
  organization_id: string | null;
  /** What apps are told; the same for as long as there is the role. */
  key: string;
  /** Of a built-in one the pages say `role_names.<key>` instead, in the reader's language. */
  name: string;
  description: string | null;
  builtin: boolean;
  /** Plinto's own permissions. */
  permissions: string[];
  /** Permissions by resource indicator, of APIs whose tokens can name an organization. */
  api: Record<string, string[]>;
};

/** What a role gives, to compare with what somebody holds: `covers(actor, heldOf(role))`. */
export function heldOf(role: Pick<Role, 'builtin' | 'key' | 'permissions' | 'api'>): Held {
  return {
    owner: isOwnerRole(role),
    own: role.permissions,
    permissions: role.api,
  };
}

/** Whether a role is the one that owns the organization. */
export function isOwnerRole({ builtin, key }: Pick<Role, 'builtin' | 'key'>): boolean {
  return builtin && key === 'owner';
}

const SELECT = `SELECT r.id, r.organization_id, r.key, r.name, r.description, r.builtin, r.permissions,
    coalesce((SELECT jsonb_object_agg(given.indicator, given.names) FROM (
      SELECT api.indicator, jsonb_agg(rp.permission ORDER BY rp.permission) AS names
      FROM role_permissions rp JOIN resources api ON api.id = rp.resource_id
      WHERE rp.role_id = r.id AND api.organizations <> 'none' GROUP BY api.indicator) given), '{}') AS api
  FROM roles r WHERE (r.organization_id IS NULL OR r.organization_id = :organizationId::uuid)`;

/**
 * The roles that an organization has: the built-in ones, those of all organizations, its own.
 *
 * @param organizationId null for those of all organizations only.
 */
export async function listRoles(db: Db, organizationId: string | null): Promise<Role[]> {
  const { rows } = await db.raw<{ rows: Role[] }>(
    `${SELECT} ORDER BY r.builtin DESC, CASE WHEN r.builtin THEN r.id END,
      r.organization_id IS NOT NULL, lower(r.name), r.id`,
    { organizationId },
  );
  return rows;
}

/** The role with this id, if the organization has it: its own, or one of all organizations. */
export async function findRole(
  db: Db,
  organizationId: string | null,
  id: string,
): Promise<Role | undefined> {
  if (!isId(id)) return undefined;
  const { rows } = await db.raw<{ rows: Role[] }>(`${SELECT} AND r.id = :id`, {
    organizationId,
    id,
  });
  return rows[0];
}

/** The role with this key, if the organization has it. */
export async function findRoleByKey(
  db: Db,
  organizationId: string | null,
  key: string,
): Promise<Role | undefined> {
  if (key.includes('\0')) return undefined;
  const { rows } = await db.raw<{ rows: Role[] }>(`${SELECT} AND r.key = :key`, {
    organizationId,
    key,
  });
  return rows[0];
}

/** How many members have each of an organization's roles, by the role's id; those none has are left out. */
export async function countMembersByRole(
  db: Db,
  organizationId: string,
): Promise<Map<string, number>> {
  const rows = await db('membership_roles')
    .where({ organization_id: organizationId })
    .groupBy('role_id')
    .select('role_id', db.raw('count(*)::int AS members'));
  return new Map(rows.map(({ role_id, members }) => [role_id, members]));
}

/** The role as it is now, held so until the transaction ends. */
export async function lockRole(
  trx: Trx,
  organizationId: string | null,
  id: string,
): Promise<Role | undefined> {
  if ((await findRole(trx, organizationId, id)) === undefined) return undefined;
  await trx('roles').where({ id }).forUpdate().first('id');
  return findRole(trx, organizationId, id);
}

/** Inserts a role. @returns false when its key is taken: here, or by a role of all organizations. */
export async function insertRole(
  trx: Trx,
  role: Pick<Role, 'id' | 'organization_id' | 'key' | 'name' | 'description' | 'permissions'>,
): Promise<boolean> {
  const inserted = await unlessTaken(trx, async (savepoint) => savepoint('roles').insert(role));
  return inserted !== undefined;
}

/** Changes what may change of a role. */
export async function updateRoleColumns(
  trx: Trx,
  id: string,
  columns: Pick<Role, 'name' | 'description' | 'permissions'>,
): Promise<void> {
  await trx('roles').where({ id }).update(columns);
}

/** Gives a role these permissions of APIs and no others; those of APIs without organizations stay. */
export async function replaceRolePermissions(
  trx: Trx,
  roleId: string,
  api: Role['api'],
): Promise<void> {
  const wanted = Object.entries(api).flatMap(([indicator, names]) =>
    names.map((name) => ({ indicator, name })),
  );
  const bindings = { roleId, wanted: JSON.stringify(wanted) };
  await trx.raw(
    `DELETE FROM role_permissions rp USING resources api
     WHERE rp.role_id = :roleId AND api.id = rp.resource_id AND api.organizations <> 'none'
       AND NOT EXISTS (SELECT FROM jsonb_to_recordset(:wanted) AS w (indicator text, name text)
         WHERE w.indicator = api.indicator AND w.name = rp.permission)`,
    bindings,
  );
  // One that is deleted right now is left out.
  await trx.raw(
    `INSERT INTO role_permissions (role_id, resource_id, permission)
     SELECT :roleId, p.resource_id, p.name
     FROM jsonb_to_recordset(:wanted) AS w (indicator text, name text)
     JOIN resources api ON api.indicator = w.indicator
     JOIN permissions p ON p.resource_id = api.id AND p.name = w.name
     FOR KEY SHARE OF p
     ON CONFLICT DO NOTHING`,
    bindings,
  );
}

/** Deletes a role: members and invitations lose it. */
export async function removeRole(trx: Trx, id: string): Promise<void> {
  await trx('roles').where({ id }).delete();
}

/** How many roles of its own an organization has. */
export async function countOwnRoles(db: Db, organizationId: string): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    'SELECT count(*)::int AS count FROM roles WHERE organization_id = ?',
    [organizationId],
  );
  return rows[0]?.count ?? 0;
}

/** How many have a role, and would lose it: in one organization, or in all. */
export type RoleUse = { members: number; invitations: number };

/** Counts who has a role. @param organizationId null for all organizations. */
export async function countRoleUse(
  db: Db,
  id: string,
  organizationId: string | null,
): Promise<RoleUse> {
  const { rows } = await db.raw<{ rows: RoleUse[] }>(
    `SELECT (SELECT count(*)::int FROM membership_roles WHERE role_id = :id
        AND (:organizationId::uuid IS NULL OR organization_id = :organizationId)) AS members,
      (SELECT count(*)::int FROM invitation_roles ir JOIN invitations i ON i.id = ir.invitation_id
        WHERE ir.role_id = :id AND i.status = 'pending' AND i.expires_at > now()
        AND (:organizationId::uuid IS NULL OR ir.organization_id = :organizationId)) AS invitations`,
    { id, organizationId },
  );
  return rows[0] ?? { members: 0, invitations: 0 };
}

/** A member who has a role, as far as a list of them needs. */
export type RoleMember = {
  id: string;
  name: string | null;
  email: string | null;
  username: string | null;
};

/** Some of an organization's members who have a role. */
export async function listMembersOfRole(
  db: Db,
  organizationId: string,
  roleId: string,
  limit: number,
): Promise<RoleMember[]> {
  return db('membership_roles as mr')
    .join('users as u', 'u.id', 'mr.user_id')
    .where({ 'mr.role_id': roleId, 'mr.organization_id': organizationId })
    .orderBy('mr.user_id')
    .limit(limit)
    .select('u.id', 'u.name', 'u.email', 'u.username');
}
