import { v7 as uuid } from 'uuid';
import { INVITATION_LIMITS } from '../../../organizations/invitations/invite.ts';
import {
  findRights,
  type InvitingRights,
  mayActOn,
} from '../../../organizations/invitations/inviter.ts';
import {
  type ListedInvitation,
  listInvitationApps,
  listPendingInvitations,
} from '../../../organizations/invitations/list-sql.ts';
import { BUILTIN_ROLES } from '../../../organizations/permissions.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { AccountParts } from '../../account.ts';
import type { OrganizationVisit } from '../organization-pages.ts';
import { DAYS, type TypedInvitations } from './read-invitations.ts';
import { readResults } from './results.ts';

const PAGE = 50;

/** What can go well once it is mended, or some time later. */
const AGAIN = ['invalid', 'throttled', 'full'];

const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

type Shown = { error?: string; typed?: TypedInvitations };

/** The page of an organization's invitations; 422 with what is wrong with a form. */
export async function showInvitations(
  parts: AccountParts,
  visit: OrganizationVisit,
  { error, typed }: Shown = {},
): Promise<undefined> {
  const { organization, user, ctx } = visit;
  const { db } = parts.deps;
  const rights = await findRights(db, organization, { userId: user.id });
  const results = error === undefined ? await readResults(parts, visit) : undefined;
  const only = rights.all ? {} : { invitedBy: user.id };
  const before = ID.test(String(ctx.query.before)) ? String(ctx.query.before) : undefined;
  const list = (requested: boolean, limit: number) =>
    listPendingInvitations(db, organization.id, {
      ...only,
      requested,
      limit,
      before: requested ? undefined : before,
    });
  const pending = await list(false, PAGE + 1);
  const shown = pending.slice(0, PAGE);
  const describe = describeFor(parts, visit, rights);
  const locals = {
    error,
    results,
    requests: before === undefined ? (await list(true, PAGE)).map(describe) : [],
    invitations: shown.map(describe),
    newest: before !== undefined,
    older: pending.length > PAGE ? shown.at(-1)?.id : undefined,
    roles: rights.roles.map((role) => ({ ...role, checked: isChosen(role.id, typed) })),
    apps: await listInvitationApps(db, organization.id),
    form: formOf(typed, results),
    limits: INVITATION_LIMITS,
    mailed: parts.mailer.enabled,
  };
  visit.show('organization-invitations', locals, error === undefined ? 200 : 422);
  return undefined;
}

function isChosen(id: string, typed: TypedInvitations | undefined): boolean {
  return typed === undefined ? id === BUILTIN_ROLES.member : typed.roleIds.includes(id);
}

/** What the form is filled in with: what was typed, else the addresses that are to be tried again. */
function formOf(
  typed: TypedInvitations | undefined,
  results: readonly { address: string; result: string }[] | undefined,
) {
  const again = (results ?? []).filter(({ result }) => AGAIN.includes(result));
  return {
    id: uuid(),
    addresses: typed?.text ?? again.map(({ address }) => address).join('\n'),
    message: typed?.message ?? '',
    days: typed === undefined ? String(DAYS) : Number.isNaN(typed.days) ? '' : String(typed.days),
    app: typed?.clientId ?? '',
  };
}

function describeFor(
  { renderer }: AccountParts,
  { ctx, user }: OrganizationVisit,
  rights: InvitingRights,
) {
  const say = momentFormat(renderer.localeOf(ctx), user);
  return (invitation: ListedInvitation) => {
    const { id, email, roles, expired, inviter, requester, requested_by } = invitation;
    return {
      id,
      email,
      roles,
      expired,
      expires: say(invitation.expires_at),
      by: inviter?.name ?? inviter?.email,
      // Each is sent again once, however often the button is pressed.
      form: uuid(),
      acts: mayActOn(rights, { userId: user.id }, invitation),
      requester: requester && { ...requester, id: requested_by },
    };
  };
}
