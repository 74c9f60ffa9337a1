import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import {
  mayChange,
  permissionNames,
  type RoleActor,
  type RoleProblem,
  type RoleWish,
  readRole,
} from './read-role.ts';
import { lockRole, type Role, replaceRolePermissions, updateRoleColumns } from './store.ts';

export type UpdateRoleResult =
  | { ok: true; role: Role; changed: boolean }
  | {
      ok: false;
      reason:
        | RoleProblem
        | 'role_unknown'
        /** A built-in one, or not of this organization. */
        | 'fixed'
        /** It gives what who asks doesn't hold. */
        | 'exceeds';
      detail?: string;
    };

/** Which role to change: an organization's own, or one of all organizations. */
export type RoleName = { organizationId: string | null; id: string };

/**
 * Changes a role; its key stays. Nobody changes one that gives what they lack, or adds that. Of a
 * built-in one the permissions of APIs alone may change, by the installation, and none of `owner`'s.
 * Whoever calls it for an organization holds that (`lockOrganizationFor`).
 */
export async function updateRole(
  trx: Trx,
  origin: Origin,
  actor: RoleActor,
  { organizationId, id }: RoleName,
  change: (role: Role) => Partial<RoleWish>,
): Promise<UpdateRoleResult> {
  const role = await lockRole(trx, organizationId, id);
  if (role === undefined) return { ok: false, reason: 'role_unknown' };
  if (role.organization_id !== organizationId) return { ok: false, reason: 'fixed' };
  if (!mayChange(actor, role)) return { ok: false, reason: 'exceeds' };
  const wanted = change(role);
  if (role.builtin && (role.key === 'owner' || !onlyApi(wanted))) {
    return { ok: false, reason: 'fixed' };
  }
  const { name, description, permissions, api } = role;
  const current = { name, description: description ?? '', permissions, api };
  const read = await readRole(trx, actor, { ...current, ...wanted });
  if (!read.ok) return read;
  const next: Role = { ...role, ...read.draft };
  const changed = await store(trx, origin, role, next);
  return { ok: true, role: next, changed };
}

function onlyApi(wanted: Partial<RoleWish>): boolean {
  return Object.keys(wanted).every((name) => name === 'api');
}

/** @returns whether it differs from what it was. */
async function store(trx: Trx, origin: Origin, role: Role, next: Role): Promise<boolean> {
  const before = permissionNames(role);
  const after = permissionNames(next);
  const added = after.filter((one) => !before.includes(one));
  const removed = before.filter((one) => !after.includes(one));
  const fields: string[] = (['name', 'description'] as const).filter((f) => role[f] !== next[f]);
  if (added.length + removed.length > 0) fields.push('permissions');
  if (fields.length === 0) return false;
  const { name, description, permissions, api } = next;
  await updateRoleColumns(trx, role.id, { name, description, permissions });
  await replaceRolePermissions(trx, role.id, api);
  const { key, organization_id: organizationId } = role;
  await record(trx, origin, {
    ...(organizationId === null ? {} : { organizationId }),
    type: 'role.updated',
    data: { key, fields, added, removed },
  });
  return true;
}
