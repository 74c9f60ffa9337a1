import type { Db } from '../../deps.ts';
import { findActiveUser } from '../../users/store.ts';
import { BUILTIN_ROLES, covers, holds } from '../permissions.ts';
import { heldOf, listRoles, type Role } from '../roles/store.ts';
import type { OrganizationFor } from '../store.ts';
import { type Invitation, invitesByRole } from './store.ts';

/**
 * Who invites: a member, by what they hold in the organization as it was read for them; or whoever
 * runs the installation.
 */
export type Inviter = 'installation' | { userId: string };

/** What somebody may do about an organization's invitations. */
export type InvitingRights = {
  /** The roles that they may give. */
  roles: Role[];
  /** Whether they see and change invitations of others. */
  all: boolean;
};

/**
 * What an inviter may do: nothing that they lack themselves. Who may invite only because every member
 * may gives the role `member`, and has no part in the invitations of others.
 */
export async function findRights(
  db: Db,
  organization: OrganizationFor,
  inviter: Inviter,
): Promise<InvitingRights> {
  const roles = await listRoles(db, organization.id);
  if (inviter === 'installation') return { roles, all: true };
  const { context } = organization;
  if (context === null || !holds(context, 'members:invite')) return { roles: [], all: false };
  const all =
    !organization.members_may_invite || (await invitesByRole(db, organization.id, inviter.userId));
  const mayGive = (role: Role): boolean =>
    covers(context, heldOf(role)) && (all || role.id === BUILTIN_ROLES.member);
  return { roles: roles.filter(mayGive), all };
}

/** Whether an inviter may do something about an invitation: they could have sent it themselves. */
export function mayActOn(
  { roles, all }: InvitingRights,
  inviter: Inviter,
  invitation: Pick<Invitation, 'invited_by' | 'roles'>,
): boolean {
  const own = inviter !== 'installation' && invitation.invited_by === inviter.userId;
  return (
    (all || own) &&
    mayGive(
      { roles },
      invitation.roles.map(({ id }) => id),
    )
  );
}

/** Whether somebody may give all of these roles. */
export function mayGive(
  { roles }: Pick<InvitingRights, 'roles'>,
  roleIds: readonly string[],
): boolean {
  return roleIds.every((id) => roles.some((role) => role.id === id));
}

/**
 * Whether the one who sent an invitation could send it today: nobody is let in by who was dismissed.
 *
 * @param organization as it was read for them.
 */
export async function stillStands(
  db: Db,
  organization: OrganizationFor,
  invitation: Pick<Invitation, 'invited_by' | 'roles'>,
): Promise<boolean> {
  const { invited_by: userId } = invitation;
  if (userId === null) return true;
  if ((await findActiveUser(db, userId)) === undefined) return false;
  const inviter = { userId };
  const rights = await findRights(db, organization, inviter);
  const held = organization.context;
  return held !== null && holds(held, 'members:invite') && mayActOn(rights, inviter, invitation);
}
