import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { mayChange, type RoleActor } from './read-role.ts';
import { countRoleUse, lockRole, type Role, type RoleUse, removeRole } from './store.ts';
import type { RoleName } from './update-role.ts';

export type DeleteRoleResult =
  | { ok: true; role: Role; use: RoleUse }
  | { ok: false; reason: 'role_unknown' | 'fixed' | 'exceeds' };

/**
 * Deletes a role, which members and invitations lose; nobody deletes one that gives what they lack,
 * or a built-in one. Whoever calls it for an organization holds that (`lockOrganizationFor`).
 */
export async function deleteRole(
  trx: Trx,
  origin: Origin,
  actor: RoleActor,
  { organizationId, id }: RoleName,
): Promise<DeleteRoleResult> {
  const role = await lockRole(trx, organizationId, id);
  if (role === undefined) return { ok: false, reason: 'role_unknown' };
  if (role.builtin || role.organization_id !== organizationId)
    return { ok: false, reason: 'fixed' };
  if (!mayChange(actor, role)) return { ok: false, reason: 'exceeds' };
  const use = await countRoleUse(trx, id, organizationId);
  await removeRole(trx, id);
  await record(trx, origin, {
    ...(organizationId === null ? {} : { organizationId }),
    type: 'role.deleted',
    data: { key: role.key, ...use },
  });
  return { ok: true, role, use };
}
