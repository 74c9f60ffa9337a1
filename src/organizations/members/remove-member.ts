import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { endOrganizationAccess } from '../../oidc-state/organization-access.ts';
import { revokeInvitation } from '../invitations/change-invitation.ts';
import { findPendingFor } from '../invitations/store.ts';
import { hasOtherOwner } from '../ownership/store.ts';
import { isOwnerRole } from '../roles/store.ts';
import { findOrganization } from '../store.ts';
import { type Actor, type MemberResult, mayHandle, rolesOf } from './actor.ts';
import { deleteMembership, lockMember, type Member } from './store.ts';

/** How somebody is told that they were removed. */
export type RemovalTools = {
  mailer: Mailer;
  issuer: string;
  /** The language of mails to a person who set none. */
  locale: string;
};

/**
 * Ends a membership, and with it what apps may do in it for the person, who is told by mail. No
 * invitation that waited for them lets them in again: whoever wants them back invites them anew.
 */
export async function removeMember(
  trx: Trx,
  tools: RemovalTools,
  origin: Origin,
  { organizationId, userId, actor }: { organizationId: string; userId: string; actor: Actor },
): Promise<MemberResult> {
  const member = await lockMember(trx, organizationId, userId);
  if (member === undefined) return { ok: false, reason: 'not_member' };
  const { held } = await rolesOf(trx, organizationId, member);
  if (!mayHandle(actor, held)) return { ok: false, reason: 'member_holds_more' };
  if (held.some(isOwnerRole) && !(await hasOtherOwner(trx, organizationId, userId))) {
    return { ok: false, reason: 'last_owner' };
  }
  await endOrganizationAccess(trx, organizationId, userId);
  await deleteMembership(trx, organizationId, userId);
  await record(trx, origin, { type: 'member.removed', organizationId, userId });
  const addresses = member.email === null ? [] : [member.email];
  for (const invitation of await findPendingFor(trx, organizationId, addresses)) {
    await revokeInvitation(trx, origin, invitation);
  }
  await tell(trx, tools, organizationId, member);
  return { ok: true, changed: true };
}

async function tell(
  trx: Trx,
  { mailer, issuer, locale }: RemovalTools,
  organizationId: string,
  { user_id: userId, ...member }: Member,
): Promise<void> {
  const organization = await findOrganization(trx, organizationId);
  if (!mailer.enabled || member.email === null || organization === undefined) return;
  await mailer.queue(trx, {
    template: 'organization-removed',
    vars: { organization: organization.name, url: `${issuer}/account/organizations` },
    to: member.email,
    locale: member.locale ?? locale,
    userId,
  });
}
