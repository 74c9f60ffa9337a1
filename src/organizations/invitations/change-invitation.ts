import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import type { OrganizationFor } from '../store.ts';
import { type AddressResult, INVITATION_LIMITS } from './invite.ts';
import { findRights, type Inviter, mayActOn } from './inviter.ts';
import { type InvitationTools, makeLink, queueInvitation, reserveMail } from './send-invitation.ts';
import {
  countOpenInvitations,
  endInvitation,
  findInvitation,
  type Invitation,
  renewInvitation,
} from './store.ts';

/** Who changes an invitation of an organization, which is held and was read for them. */
export type Changer = { organization: OrganizationFor; inviter: Inviter };

/**
 * An invitation of an organization that somebody has a part in: they could have sent it themselves.
 * Undefined for any other, as if there were none (security 21).
 */
export async function findOwnInvitation(
  trx: Trx,
  { organization, inviter }: Changer,
  id: string,
): Promise<Invitation | undefined> {
  const invitation = await findInvitation(trx, id);
  if (invitation?.organization_id !== organization.id) return undefined;
  const rights = await findRights(trx, organization, inviter);
  return mayActOn(rights, inviter, invitation) ? invitation : undefined;
}

/**
 * Sends an invitation again, with another link: the one before no longer works. Whoever sends it
 * answers for it from then on.
 *
 * @returns undefined when it isn't pending.
 */
export async function resendInvitation(
  trx: Trx,
  tools: InvitationTools,
  origin: Origin,
  { organization, inviter }: Changer,
  invitation: Invitation,
  from: string,
): Promise<AddressResult | undefined> {
  const { id, email, message } = invitation;
  if (invitation.status !== 'pending') return undefined;
  const open = invitation.expired ? await countOpenInvitations(trx, organization.id) : 0;
  if (open >= INVITATION_LIMITS.open) return { address: email, result: 'full' };
  const reservation = await reserveMail(trx, tools, inviter, organization.id, email);
  if (!reservation.ok) return { address: email, result: 'throttled' };
  const { url, token_hash } = makeLink(tools);
  const mailed = tools.mailer.enabled;
  const invited_by = inviter === 'installation' ? null : inviter.userId;
  await renewInvitation(trx, id, { token_hash, mailed, invited_by });
  const milliseconds = invitation.expires_at.getTime() - invitation.sent_at.getTime();
  const days = Math.max(1, Math.round(milliseconds / 86_400_000));
  const locale = invitation.locale ?? 'en';
  await queueInvitation(trx, tools, { organization, email, url, days, from, message, locale });
  await record(trx, origin, {
    type: 'invitation.resent',
    organizationId: organization.id,
    data: { invitationId: id, roles: invitation.roles.map(({ key }) => key).toSorted() },
  });
  return { address: email, result: 'resent', ...(mailed ? {} : { url }) };
}

/** Takes an invitation back. @returns false when it was accepted meanwhile. */
export async function revokeInvitation(
  trx: Trx,
  origin: Origin,
  { id, organization_id: organizationId, status }: Invitation,
): Promise<boolean> {
  if (status === 'pending') {
    await endInvitation(trx, id, { status: 'revoked' });
    const data = { invitationId: id };
    await record(trx, origin, { type: 'invitation.revoked', organizationId, data });
  }
  return status !== 'accepted';
}
