import { findMember, isMember } from '../../../organizations/members/store.ts';
import { MAX_NAME } from '../../../organizations/name.ts';
import { leaveOrganization } from '../../../organizations/ownership/leave-organization.ts';
import { countMembers, hasOtherOwner } from '../../../organizations/ownership/store.ts';
import { MAX_SLUG } from '../../../organizations/slug.ts';
import { changeOrganizationProfile } from '../../../organizations/update-organization.ts';
import { type Account, type AccountParts, seeOther } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationAction,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';
import { answerAgain, proofOf } from './again.ts';
import { dayFormat } from './list.ts';

const LEAVE = '/leave';
const LEFT = '/organizations?done=organization_left';

/** Members are counted no further. */
const MOST = 10_000;

type Problem = { form: 'profile' | 'leave'; key: string; field?: string };

/** What an organization is called, what its visitor is there, and the ways out. */
export function overviewPages(
  account: Account,
  pages: OrganizationPages,
  parts: AccountParts,
): void {
  pages.page('', undefined, (visit) => show(parts, visit));
  pages.action('', 'organization:update', update(account, parts));
  answerAgain(account, parts, {
    path: LEAVE,
    onward: LEFT,
    isDone: async ({ organizationId, userId }) =>
      !(await isMember(parts.deps.db, organizationId, userId)),
  });
  pages.action(LEAVE, undefined, leave(account, parts), { back: '' });
}

const update =
  (account: Account, parts: AccountParts): OrganizationAction =>
  async (visit, form) => {
    const unknown = unknownField(form, ['name', 'slug']);
    if (unknown !== undefined) {
      return show(parts, visit, { form: 'profile', key: 'unknown_field', field: unknown }, form);
    }
    const { name, slug } = form;
    const change = { name, slug: slug?.trim().toLowerCase() };
    const result = await changeOrganization(
      parts,
      visit,
      'organization:update',
      (trx, organization) => changeOrganizationProfile(trx, visit.origin, organization, change),
    );
    if (!result.ok) return show(parts, visit, { form: 'profile', key: result.reason }, form);
    // By its new name, if it has one.
    const onward = `/organizations/${result.organization.slug}?done=organization`;
    seeOther(visit.ctx, account.pathOf(onward));
    return undefined;
  };

const leave =
  (account: Account, parts: AccountParts): OrganizationAction =>
  async (visit, form) => {
    const unknown = unknownField(form, ['proof']);
    if (unknown !== undefined) {
      return show(parts, visit, { form: 'leave', key: 'unknown_field', field: unknown });
    }
    const result = await changeOrganization(parts, visit, undefined, (trx, { id }) =>
      leaveOrganization(trx, visit.origin, id, visit.user.id),
    );
    if (!result.ok) return show(parts, visit, { form: 'leave', key: result.reason });
    seeOther(visit.ctx, account.pathOf(LEFT));
    return undefined;
  };

async function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  error?: Problem,
  typed: Record<string, string> = {},
): Promise<undefined> {
  const { organization, user, can, ctx } = visit;
  const { id } = organization;
  const { db } = parts.deps;
  const { owner } = organization.context;
  const count = await countMembers(db, id, MOST + 1);
  const members = new Intl.NumberFormat(parts.renderer.localeOf(ctx)).format(Math.min(count, MOST));
  const locals = {
    error,
    values: {
      name: (typed.name ?? organization.name).slice(0, 2 * MAX_NAME),
      slug: (typed.slug ?? organization.slug).slice(0, 2 * MAX_SLUG),
    },
    maxName: MAX_NAME,
    maxSlug: MAX_SLUG,
    members: count > MOST ? `${members}+` : members,
    created: dayFormat(parts, visit)(organization.created_at),
    roles: (await findMember(db, id, user.id))?.roles ?? [],
    mayUpdate: can('organization:update'),
    mayDelete: can('organization:delete'),
    owner,
    onlyOwner: owner && !(await hasOtherOwner(db, id, user.id)),
    proof: proofOf(parts, LEAVE, id, visit),
  };
  visit.show('organization', locals, error === undefined ? 200 : 422);
  return undefined;
}
