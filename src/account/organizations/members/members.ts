import { isId } from '../../../db/id.ts';
import {
  listMembers,
  MAX_SEARCH,
  type MemberPage,
} from '../../../organizations/members/list-members.ts';
import { listRoles, type Role } from '../../../organizations/roles/store.ts';
import { accountName } from '../../../users/identifiers.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { AccountParts } from '../../account.ts';
import { linkTo, parameter } from '../../activity/event-page.ts';
import type { OrganizationPages, OrganizationVisit } from '../organization-pages.ts';
import { memberForms } from './member.ts';

/** Who belongs to an organization; of each, what they may do there. */
export function memberPages(pages: OrganizationPages, parts: AccountParts): void {
  const { db } = parts.deps;
  pages.page('/members', 'members:read', async (visit) => {
    const { organization } = visit;
    const roles = await listRoles(db, organization.id);
    const query = queryOf(visit, roles);
    const page = await listMembers(db, organization.id, query, query);
    const { roleId: role } = query;
    visit.show('organization-members', {
      ...query,
      roles,
      members: describe(parts, visit, page),
      newer: page.previous && linkTo({ role }, { before: page.members[0]?.user_id }),
      older:
        page.next && !query.search && linkTo({ role }, { after: page.members.at(-1)?.user_id }),
      more: page.next && query.search !== undefined,
      mayInvite: visit.can('members:invite'),
      manages: visit.can('members:manage'),
    });
  });
  memberForms(pages, parts);
}

type Query = Partial<Record<'search' | 'roleId' | 'after' | 'before', string>>;

/** What the address asks for; anything that makes no sense is as if it weren't there. */
function queryOf({ ctx }: OrganizationVisit, roles: readonly Role[]): Query {
  const one = (name: string): string => parameter(ctx.query, name);
  const search = one('search').trim().slice(0, MAX_SEARCH);
  const roleId = roles.find(({ id }) => id === one('role'))?.id;
  const [before, after] = [one('before'), one('after')];
  return {
    ...(search === '' ? {} : { search }),
    ...(roleId === undefined ? {} : { roleId }),
    ...(isId(before) ? { before } : isId(after) ? { after } : {}),
  };
}

function describe(parts: AccountParts, { ctx, user }: OrganizationVisit, { members }: MemberPage) {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  return members.map((member) => ({
    ...member,
    account: accountName(member),
    since: say(member.joined_at),
    self: member.user_id === user.id,
  }));
}
