import type { Trx } from '../../../deps.ts';
import { AppError } from '../../../errors.ts';
import {
  type Changer,
  findOwnInvitation,
  resendInvitation,
  revokeInvitation,
} from '../../../organizations/invitations/change-invitation.ts';
import { inviteToOrganization } from '../../../organizations/invitations/invite.ts';
import { confirmRequest, declineRequest } from '../../../organizations/invitations/requests.ts';
import type { InvitationTools } from '../../../organizations/invitations/send-invitation.ts';
import type { Invitation } from '../../../organizations/invitations/store.ts';
import { listRoles } from '../../../organizations/roles/store.ts';
import { canonicalEmail, foldCase, personName } from '../../../users/identifiers.ts';
import type { AccountParts } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationPages,
  type OrganizationVisit,
  type OwnOrganization,
} from '../organization-pages.ts';
import { readInvitations } from './read-invitations.ts';
import { keepResults } from './results.ts';
import { showInvitations } from './show-invitations.ts';

const NEEDS = 'members:invite';
const BACK = { back: '/invitations' };

/** Inviting people to an organization, and what became of it. */
export function invitationPages(pages: OrganizationPages, parts: AccountParts): void {
  pages.page('/invitations', NEEDS, async (visit) => showInvitations(parts, visit));
  pages.action('/invitations', NEEDS, (visit, form) => invite(parts, visit, form));
  pages.action('/invitations/:invitation/resend', NEEDS, (v, form) => resend(parts, v, form), BACK);
  pages.action('/invitations/:invitation/revoke', NEEDS, (v) => revoke(parts, v), BACK);
  pages.action('/invitations/:invitation/confirm', NEEDS, (v, f) => confirm(parts, v, f), BACK);
  pages.action('/invitations/:invitation/decline', NEEDS, (v, f) => decline(parts, v, f), BACK);
}

function toolsOf({ mailer, issuer, deps }: AccountParts): InvitationTools {
  return { mailer, issuer, randomBytes: deps.randomBytes, canonicalEmail, foldCase };
}

const changerOf = ({ user }: OrganizationVisit, organization: OwnOrganization): Changer => ({
  organization,
  inviter: { userId: user.id },
});

async function invite(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const roles = await listRoles(parts.deps.db, visit.organization.id);
  const ids = roles.map(({ id }) => id);
  const typed = readInvitations(form, ids);
  const known = ['form', 'addresses', 'message', 'days', 'app', ...ids];
  if (unknownField(form, known) !== undefined) {
    return showInvitations(parts, visit, { error: 'changed', typed });
  }
  const result = await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
    keepResults(trx, parts, visit, typed.form, () =>
      inviteToOrganization(trx, toolsOf(parts), visit.origin, changerOf(visit, organization), {
        ...typed,
        locale: parts.renderer.localeOf(visit.ctx),
        from: personName(visit.user),
      }),
    ),
  );
  if (!result.ok) return showInvitations(parts, visit, { error: result.reason, typed });
  return `/invitations?sent=${typed.form}`;
}

/** @throws AppError not_found for an invitation that the visitor has no part in. */
async function change<T>(
  parts: AccountParts,
  visit: OrganizationVisit,
  work: (trx: Trx, invitation: Invitation, changer: Changer) => Promise<T>,
): Promise<T> {
  return changeOrganization(parts, visit, NEEDS, async (trx, organization) => {
    const changer = changerOf(visit, organization);
    const invitation = await findOwnInvitation(trx, changer, String(visit.ctx.params.invitation));
    if (invitation === undefined) throw new AppError('not_found');
    return work(trx, invitation, changer);
  });
}

async function resend(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const { form: sent } = readInvitations(form, []);
  const result = await change(parts, visit, (trx, invitation, changer) =>
    keepResults(trx, parts, visit, sent, async () => {
      const from = personName(visit.user);
      const { origin } = visit;
      const one = await resendInvitation(trx, toolsOf(parts), origin, changer, invitation, from);
      return one === undefined
        ? { ok: false as const, reason: 'gone' as const }
        : { ok: true as const, results: [one] };
    }),
  );
  if (!result.ok) return showInvitations(parts, visit, { error: result.reason });
  return `/invitations?sent=${sent}`;
}

async function revoke(parts: AccountParts, visit: OrganizationVisit): Promise<string | undefined> {
  const revoked = await change(parts, visit, (trx, invitation) =>
    revokeInvitation(trx, visit.origin, invitation),
  );
  if (!revoked) return showInvitations(parts, visit, { error: 'accepted' });
  return '/invitations?done=invitation_revoked';
}

async function confirm(
  parts: AccountParts,
  visit: OrganizationVisit,
  { person = '' }: Record<string, string>,
): Promise<string | undefined> {
  const outcome = await change(parts, visit, (trx, invitation, { organization }) => {
    const { context } = organization;
    if (context === null) throw new AppError('not_found');
    return confirmRequest(trx, visit.origin, invitation, person, context);
  });
  if (outcome === 'gone' || outcome === 'suspended') {
    return showInvitations(parts, visit, { error: outcome });
  }
  return '/invitations?done=invitation_confirmed';
}

async function decline(
  parts: AccountParts,
  visit: OrganizationVisit,
  { person = '' }: Record<string, string>,
): Promise<string> {
  await change(parts, visit, (trx, invitation) =>
    declineRequest(trx, visit.origin, invitation, person),
  );
  return '/invitations?done=invitation_declined';
}
