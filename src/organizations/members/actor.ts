import type { Trx } from '../../deps.ts';
import { covers, type Held } from '../permissions.ts';
import { heldOf, listRoles, type Role } from '../roles/store.ts';
import type { Member } from './store.ts';

/** Who changes an organization: a member, by what they hold now; or whoever runs the installation. */
export type Actor = Held | 'installation';

/** Why a change of a member is refused. */
export type Refusal =
  /** There is no such member. */
  | 'not_member'
  /** They hold more than the actor. */
  | 'member_holds_more'
  /** The organization has no such role. */
  | 'role_unknown'
  /** The role gives more than the actor holds. */
  | 'role_not_held'
  /** Nobody who owns the organization would be left. */
  | 'last_owner';

/** What a change of a member comes to; `changed` is false where it was so already. */
export type MemberResult = { ok: true; changed: boolean } | { ok: false; reason: Refusal };

/** Everything that these roles give. */
function heldTogether(roles: readonly Role[]): Held {
  const all = roles.map(heldOf);
  const permissions: Record<string, string[]> = {};
  for (const one of all) {
    for (const [indicator, names] of Object.entries(one.permissions)) {
      permissions[indicator] = [...(permissions[indicator] ?? []), ...names];
    }
  }
  return {
    owner: all.some(({ owner }) => owner),
    own: all.flatMap(({ own }) => own),
    permissions,
  };
}

/** Whether somebody may grant these roles, or act on who has them. */
export function mayHandle(actor: Actor, roles: readonly Role[]): boolean {
  return actor === 'installation' || covers(actor, heldTogether(roles));
}

/** The organization's roles, and of them those that a member has. */
export async function rolesOf(
  trx: Trx,
  organizationId: string,
  member: Pick<Member, 'roles'>,
): Promise<{ all: Role[]; held: Role[] }> {
  const all = await listRoles(trx, organizationId);
  const ids = new Set(member.roles.map(({ id }) => id));
  return { all, held: all.filter(({ id }) => ids.has(id)) };
}
