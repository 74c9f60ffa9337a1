import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { findActiveUser } from '../../users/store.ts';
import type { Actor } from '../members/actor.ts';
import { findMember } from '../members/store.ts';
import { holdInvitation, isOpen, letIn } from './accept.ts';
import { type Invitation, updateRequester } from './store.ts';

/**
 * Asks whoever invites to let somebody in whose proven address isn't the one invited. One at a time:
 * `busy` while another asks.
 */
export async function askToAccept(
  trx: Trx,
  origin: Origin,
  read: Invitation,
  userId: string,
): Promise<'asked' | 'busy' | 'unverified' | 'member' | 'gone'> {
  const held = await holdInvitation(trx, read);
  if (held === undefined || !(await isOpen(trx, held))) return 'gone';
  const { id, organization_id: organizationId, requested_by } = held.invitation;
  const user = await findActiveUser(trx, userId);
  if (user?.email == null || user.email_verified_at === null) return 'unverified';
  if ((await findMember(trx, organizationId, userId)) !== undefined) return 'member';
  if (requested_by !== null) return requested_by === userId ? 'asked' : 'busy';
  await updateRequester(trx, id, userId);
  const data = { invitationId: id };
  await record(trx, origin, { type: 'invitation.requested', organizationId, userId, data });
  return 'asked';
}

/**
 * Lets in who asked to accept an invitation to another address. The organization is held.
 *
 * @param userId whom the form was about: somebody else may have asked since.
 */
export async function confirmRequest(
  trx: Trx,
  origin: Origin,
  invitation: Invitation,
  userId: string,
  actor: Actor,
): Promise<'joined' | 'member' | 'suspended' | 'gone'> {
  const { status, accepted_by, requested_by } = invitation;
  if (status === 'accepted' && accepted_by === userId) return 'joined';
  if (status !== 'pending' || requested_by !== userId) return 'gone';
  const user = await findActiveUser(trx, userId);
  if (user?.email == null || user.email_verified_at === null) return 'gone';
  return letIn(trx, origin, invitation, userId, actor);
}

/** Refuses who asked; the invitation stays open to whom it is for. */
export async function declineRequest(
  trx: Trx,
  origin: Origin,
  { id, organization_id: organizationId, status, requested_by }: Invitation,
  userId: string,
): Promise<void> {
  if (status !== 'pending' || requested_by !== userId) return;
  await updateRequester(trx, id, null);
  const data = { invitationId: id };
  await record(trx, origin, { type: 'invitation.declined', organizationId, userId, data });
}
