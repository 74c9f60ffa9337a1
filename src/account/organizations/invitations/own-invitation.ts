import { findWayOn } from '../../../clients/way-on.ts';
import { transaction } from '../../../db/pool.ts';
import { AppError } from '../../../errors.ts';
import { acceptInvitation, isAddressedTo } from '../../../organizations/invitations/accept.ts';
import {
  findByReference,
  findStanding,
  type StandingInvitation,
} from '../../../organizations/invitations/reference.ts';
import { askToAccept } from '../../../organizations/invitations/requests.ts';
import type { Invitation } from '../../../organizations/invitations/store.ts';
import { findMember } from '../../../organizations/members/store.ts';
import { findOrganization } from '../../../organizations/store.ts';
import { foldCase, personName } from '../../../users/identifiers.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../../account.ts';
import { signInUrl } from '../../fresh.ts';

const PATH = '/invitations/:invitation';

/**
 * An invitation to somebody who is signed in. Who has its link reads of it with any address, and may
 * ask to be let in with it; who was invited needs no link.
 */
export function ownInvitationPages(account: Account, parts: AccountParts): void {
  account.page(PATH, {}, async (visit) => {
    const invitation = await findTheirs(parts, visit);
    if (invitation.accepted_by === visit.user.id) {
      visit.ctx.redirect(account.pathOf(`${pathOf(visit)}/done`));
      return;
    }
    await show(parts, visit, invitation);
  });
  account.action(PATH, {}, (visit) => join(parts, visit));
  account.action(`${PATH}/ask`, { back: '/organizations' }, (visit) => ask(parts, visit));
  account.page(`${PATH}/done`, {}, (visit) => showDone(account, parts, visit));
}

const pathOf = ({ ctx }: Visit): string =>
  `/invitations/${encodeURIComponent(String(ctx.params.invitation))}`;

/** @throws AppError link_invalid for what is nobody's invitation, or not for who asks. */
async function findTheirs({ deps }: AccountParts, { ctx, user }: Visit): Promise<Invitation> {
  const found = await findByReference(deps.db, String(ctx.params.invitation));
  const { invitation, linked = false } = found ?? {};
  if (invitation === undefined) throw new AppError('link_invalid');
  const theirs =
    linked || invitation.accepted_by === user.id || isAddressedTo(invitation, user, foldCase);
  if (!theirs) throw new AppError('link_invalid');
  return invitation;
}

async function join(parts: AccountParts, visit: Visit): Promise<string | undefined> {
  const invitation = await findTheirs(parts, visit);
  const outcome = await transaction(parts.deps.db, (trx) =>
    acceptInvitation(trx, visit.origin, invitation, visit.user.id, foldCase),
  );
  if (outcome === 'gone') throw new AppError('link_invalid');
  if (outcome === 'not_theirs' || outcome === 'suspended') {
    return show(parts, visit, invitation, outcome);
  }
  return `${pathOf(visit)}/done`;
}

async function ask(parts: AccountParts, visit: Visit): Promise<string | undefined> {
  const invitation = await findTheirs(parts, visit);
  const outcome = await transaction(parts.deps.db, (trx) =>
    askToAccept(trx, visit.origin, invitation, visit.user.id),
  );
  if (outcome === 'gone') throw new AppError('link_invalid');
  if (outcome === 'asked') return `${pathOf(visit)}?done=invitation_asked`;
  return show(parts, visit, invitation, outcome);
}

/** How things are between an invitation and who looks at it. */
async function stateOf(
  { deps }: AccountParts,
  { user }: Visit,
  { invitation, organization }: StandingInvitation,
): Promise<string> {
  const member = await findMember(deps.db, organization.id, user.id);
  if (member !== undefined) return member.status === 'active' ? 'member' : 'suspended';
  if (isAddressedTo(invitation, user, foldCase)) return 'open';
  if (user.email === null || user.email_verified_at === null) return 'unverified';
  if (invitation.requested_by === user.id) return 'asked';
  return invitation.requested_by === null ? 'other' : 'busy';
}

async function show(
  parts: AccountParts,
  visit: Visit,
  read: Invitation,
  error?: string,
): Promise<undefined> {
  const { ctx, user } = visit;
  const standing = await findStanding(parts.deps.db, read);
  if (standing === undefined) throw new AppError('link_invalid');
  const { invitation, organization, inviter } = standing;
  const state = await stateOf(parts, visit, standing);
  const addressed = isAddressedTo(invitation, user, foldCase);
  const locals = {
    error,
    state,
    addressed,
    organization: organization.name,
    slug: organization.slug,
    roles: invitation.roles,
    message: invitation.message,
    inviter: inviter && personName(inviter),
    email: invitation.email,
    expires: momentFormat(parts.renderer.localeOf(ctx), user)(invitation.expires_at),
    switchUrl: signInUrl(parts, ctx.path.replace(/\/ask$/, ''), { prompt: 'login' }),
    action: `${parts.basePath}/account${pathOf(visit)}`,
  };
  visit.show('account-invitation', locals, error === undefined ? 200 : 422);
  return undefined;
}

async function showDone(account: Account, parts: AccountParts, visit: Visit): Promise<void> {
  const { db } = parts.deps;
  const invitation = await findTheirs(parts, visit);
  const organization = await findOrganization(db, invitation.organization_id);
  if (invitation.accepted_by !== visit.user.id || organization === undefined) {
    throw new AppError('link_invalid');
  }
  const { id, slug, name } = organization;
  const onward = await findWayOn(db, parts.issuer, invitation.client_id, id);
  visit.show('account-invitation', {
    state: 'done',
    organization: name,
    ...(onward ?? { next: account.pathOf(`/organizations/${slug}`) }),
  });
}
