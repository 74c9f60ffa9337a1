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
    owner: role.builtin && role.key === 'owner',
    own: role.permissions,
    permissions: role.api,
  };
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
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(id)) return undefined;
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

/** Holds a role as it is until the transaction ends. */
export async function lockRole(trx: Trx, id: string): Promise<void> {
  await trx('roles').where({ id }).forUpdate().first('id');
}
