import type { Trx } from '../../../deps.ts';
import { AppError } from '../../../errors.ts';
import { type Actor, mayHandle } from '../../../organizations/members/actor.ts';
import { changeRoles } from '../../../organizations/members/change-roles.ts';
import { removeMember } from '../../../organizations/members/remove-member.ts';
import { activateMember, suspendMember } from '../../../organizations/members/set-member-status.ts';
import { findMember, type Member } from '../../../organizations/members/store.ts';
import { listRoles, type Role } from '../../../organizations/roles/store.ts';
import { accountName } from '../../../users/identifiers.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { AccountParts } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';

const MANAGE = 'members:manage';
const BACK = { back: '/members' };
const CONFIRMED = '/members?done=member_removed';

/** One member: their roles, and whether they are let in. */
export function memberForms(pages: OrganizationPages, parts: AccountParts): void {
  pages.page('/members/:user', 'members:read', async (visit) => {
    await showMember(parts, visit, await memberOf(parts, visit));
  });
  pages.action('/members/:user/roles', MANAGE, (visit, form) => setRoles(parts, visit, form), BACK);
  pages.action('/members/:user/remove', MANAGE, (visit, form) => remove(parts, visit, form), BACK);
  const changes = { suspend: suspendMember, activate: activateMember };
  for (const [name, change] of Object.entries(changes)) {
    pages.action(
      `/members/:user/${name}`,
      MANAGE,
      async (visit) => {
        const member = await memberOf(parts, visit);
        if (isSelf(visit, member)) return showMember(parts, visit, member, { error: 'self' });
        const result = await act(parts, visit, member, (trx, whose) =>
          change(trx, visit.origin, whose),
        );
        if (result.ok) return `/members/${member.user_id}?done=member_${name}`;
        return refuse(parts, visit, member, result);
      },
      BACK,
    );
  }
}

/** @throws AppError not_found for whoever isn't a member of this organization. */
async function memberOf({ deps }: AccountParts, visit: OrganizationVisit): Promise<Member> {
  const { ctx, organization } = visit;
  const member = await findMember(deps.db, organization.id, String(ctx.params.user));
  if (member === undefined) throw new AppError('not_found');
  return member;
}

const isSelf = ({ user }: OrganizationVisit, member: Member) => member.user_id === user.id;

type Whose = { organizationId: string; userId: string; actor: Actor };

function act<T>(
  parts: AccountParts,
  visit: OrganizationVisit,
  { user_id: userId }: Member,
  work: (trx: Trx, whose: Whose) => Promise<T>,
): Promise<T> {
  return changeOrganization(parts, visit, MANAGE, (trx, { id: organizationId, context: actor }) =>
    work(trx, { organizationId, userId, actor }),
  );
}

/** The fields of the form are the roles' ids, as one that is named twice would be refused. */
async function setRoles(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const member = await memberOf(parts, visit);
  const roles = await listRoles(parts.deps.db, visit.organization.id);
  const ids = roles.map(({ id }) => id);
  const roleIds = ids.filter((id) => form[id] !== undefined);
  const unknown = unknownField(form, ['had', ...ids]) !== undefined;
  const held = heldBy(member);
  const same = roleIds.toSorted().join(' ') === held;
  if (unknown || (form.had !== held && !same)) {
    return showMember(parts, visit, member, { error: 'changed' });
  }
  const result = await act(parts, visit, member, (trx, whose) =>
    changeRoles(trx, visit.origin, { ...whose, roleIds }),
  );
  if (!result.ok) return refuse(parts, visit, member, result, roleIds);
  // Who took from themselves what this page needs would read that they may not.
  return isSelf(visit, member)
    ? '?done=member_roles'
    : `/members/${member.user_id}?done=member_roles`;
}

async function remove(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const { ctx, organization, origin } = visit;
  const userId = String(ctx.params.user);
  const member = await findMember(parts.deps.db, organization.id, userId);
  if (member === undefined) {
    // The same form may be sent twice: they are gone then, but it was on a page of ours.
    if (parts.csrf.isOurs(ctx, removalOf(organization.id, userId), form.proof)) return CONFIRMED;
    throw new AppError('not_found');
  }
  if (isSelf(visit, member)) return showMember(parts, visit, member, { error: 'self' });
  if (!isNameOf(member, form.confirmation)) {
    return showMember(parts, visit, member, { error: 'confirmation' });
  }
  const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
  const result = await act(parts, visit, member, (trx, whose) =>
    removeMember(trx, tools, origin, whose),
  );
  if (result.ok || result.reason === 'not_member') return CONFIRMED;
  return refuse(parts, visit, member, result);
}

function removalOf(organizationId: string, userId: string): string {
  return `removal ${organizationId} ${userId}`;
}

function isNameOf(member: Member, typed = ''): boolean {
  const tidy = (name: string) => name.normalize('NFKC').trim().toLowerCase();
  return tidy(typed) !== '' && tidy(typed) === tidy(confirmationOf(member));
}

/** What is typed to remove somebody. */
function confirmationOf(member: Member): string {
  return accountName(member) || (member.name ?? member.user_id);
}

/** The roles that a form was made for. */
function heldBy({ roles }: Member): string {
  return roles
    .map(({ id }) => id)
    .toSorted()
    .join(' ');
}

async function refuse(
  parts: AccountParts,
  visit: OrganizationVisit,
  { user_id: userId }: Member,
  { reason }: { reason: string },
  chosen?: string[],
): Promise<undefined> {
  const member = await findMember(parts.deps.db, visit.organization.id, userId);
  if (member === undefined) throw new AppError('not_found');
  return showMember(parts, visit, member, { error: reason, chosen });
}

async function showMember(
  parts: AccountParts,
  visit: OrganizationVisit,
  member: Member,
  { error, chosen }: { error?: string; chosen?: string[] | undefined } = {},
): Promise<undefined> {
  const { ctx, user, organization } = visit;
  const { context } = organization;
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const all = await listRoles(parts.deps.db, organization.id);
  const held = all.filter(({ id }) => member.roles.some((role) => role.id === id));
  const locals = {
    member: { ...member, account: accountName(member), since: say(member.joined_at) },
    confirmation: confirmationOf(member),
    self: isSelf(visit, member),
    manages: visit.can(MANAGE),
    told: parts.mailer.enabled && member.email !== null,
    holdsMore: !mayHandle(context, held),
    roles: all.map((role) => choiceOf(role, context, chosen ?? held.map(({ id }) => id))),
    had: heldBy(member),
    proof: parts.csrf.token(removalOf(organization.id, member.user_id)),
    error,
  };
  visit.show('organization-member', locals, error === undefined ? 200 : 422);
  return undefined;
}

function choiceOf(role: Role, actor: Actor, chosen: readonly string[]) {
  const { id, key, name, builtin, description } = role;
  const checked = chosen.includes(id);
  return { id, key, name, builtin, description, checked, grantable: mayHandle(actor, [role]) };
}
