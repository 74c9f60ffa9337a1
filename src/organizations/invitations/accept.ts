import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { findActiveUser, type User } from '../../users/store.ts';
import { wasRemoved } from '../domains/join-sql.ts';
import type { Actor } from '../members/actor.ts';
import { addMember } from '../members/add-member.ts';
import { findMember } from '../members/store.ts';
import { lockOrganizationFor, type OrganizationFor } from '../store.ts';
import { stillStands } from './inviter.ts';
import { endInvitation, findInvitation, type Invitation } from './store.ts';

/** Whose an invitation is: by the address that they have proven. */
export function isAddressedTo(
  { email }: Pick<Invitation, 'email'>,
  user: Pick<User, 'email' | 'email_verified_at'>,
  foldCase: (email: string) => string,
): boolean {
  if (user.email === null || user.email_verified_at === null) return false;
  return foldCase(user.email) === foldCase(email);
}

export type Acceptance =
  /** They are a member, by this invitation; also when they sent the form before. */
  | 'joined'
  /** They were one already, whose roles stay as they are. */
  | 'member'
  /** They are one, and suspended: no invitation changes that. */
  | 'suspended'
  /** It isn't for the address that they have proven. */
  | 'not_theirs'
  /** It expired, was taken back or accepted, its link replaced, or who sent it no longer may. */
  | 'gone';

/** An invitation that is held with its organization, as that is for who sent it. */
export type HeldInvitation = { invitation: Invitation; organization: OrganizationFor };

/**
 * Holds the organization of an invitation and gives both as they are now; undefined when the
 * organization is gone or going, or the invitation was changed since it was read.
 */
export async function holdInvitation(
  trx: Trx,
  read: Invitation,
): Promise<HeldInvitation | undefined> {
  const organization = await lockOrganizationFor(
    trx,
    read.organization_id,
    read.invited_by ?? undefined,
  );
  const invitation = await findInvitation(trx, read.id);
  if (organization === undefined || invitation === undefined) return undefined;
  // Each mail has a link of its own, and the one before says no longer what holds.
  if (!invitation.token_hash.equals(read.token_hash)) return undefined;
  if (organization.delete_after !== null) return undefined;
  return { invitation, organization };
}

/** Whether an invitation that is held can be accepted now. */
export async function isOpen(
  trx: Trx,
  { invitation, organization }: HeldInvitation,
): Promise<boolean> {
  if (invitation.status !== 'pending' || invitation.expired) return false;
  return stillStands(trx, organization, invitation);
}

/** Makes the person a member whom an invitation is for. Once more, it changes nothing. */
export async function acceptInvitation(
  trx: Trx,
  origin: Origin,
  read: Invitation,
  userId: string,
  foldCase: (email: string) => string,
): Promise<Acceptance> {
  const held = await holdInvitation(trx, read);
  const user = await findActiveUser(trx, userId);
  if (held === undefined || user === undefined) return 'gone';
  const { invitation, organization } = held;
  if (invitation.status === 'accepted' && invitation.accepted_by === userId) return 'joined';
  if (!isAddressedTo(invitation, user, foldCase)) return 'not_theirs';
  if (!(await isOpen(trx, held))) return 'gone';
  // Removal revokes those to the address of that time; they may have another now.
  const { organization_id, sent_at } = invitation;
  if (await wasRemoved(trx, organization_id, userId, sent_at)) return 'gone';
  const actor = invitation.invited_by === null ? 'installation' : organization.context;
  if (actor === null) return 'gone';
  return letIn(trx, origin, invitation, userId, actor);
}

/** Makes somebody a member by an invitation that is held and open, which is accepted by that. */
export async function letIn(
  trx: Trx,
  origin: Origin,
  { id, organization_id: organizationId, roles }: Invitation,
  userId: string,
  actor: Actor,
): Promise<'joined' | 'member' | 'suspended' | 'gone'> {
  const roleIds = roles.map((role) => role.id);
  const member = { organizationId, userId, roleIds, source: 'invited' as const, actor };
  const added = await addMember(trx, origin, member);
  if (!added.ok && added.reason !== 'already_member') return 'gone';
  if (!added.ok && (await findMember(trx, organizationId, userId))?.status !== 'active') {
    return 'suspended';
  }
  await endInvitation(trx, id, { status: 'accepted', accepted_by: userId });
  const data = { invitationId: id };
  await record(trx, origin, { type: 'invitation.accepted', organizationId, userId, data });
  return added.ok ? 'joined' : 'member';
}
