import type { Db } from '../../deps.ts';
import { findMembers } from './list-members-sql.ts';
import type { Member } from './store.ts';

/** Members on one page. */
const MEMBERS_ON_PAGE = 25;

/** Longest that is searched for, in characters. */
export const MAX_SEARCH = 100;

export type MemberFilter = {
  /** What names or addresses begin with, whatever their case. */
  search?: string | undefined;
  roleId?: string | undefined;
};

/** Where the page begins or ends: at a member, by user id. */
export type MemberCursor = { after?: string | undefined; before?: string | undefined };

export type MemberPage = {
  members: Member[];
  /** Whether there are some before these. */
  previous: boolean;
  /** Whether there are more after these; a search shows its first page only. */
  next: boolean;
};

/** A page of an organization's members in order of name; of a search, those it finds first. */
export async function listMembers(
  db: Db,
  organizationId: string,
  { search, roleId }: MemberFilter = {},
  { after, before }: MemberCursor = {},
): Promise<MemberPage> {
  const searched = search?.normalize('NFC').trim().slice(0, MAX_SEARCH) || undefined;
  const cursor = searched === undefined ? { after, before } : {};
  const limit = MEMBERS_ON_PAGE + 1;
  const rows = await findMembers(db, {
    ...{ organizationId, roleId, limit },
    ...{ search: searched, ...cursor },
  });
  const more = rows.length > MEMBERS_ON_PAGE;
  if (cursor.before !== undefined) {
    return { members: rows.slice(-MEMBERS_ON_PAGE), previous: more, next: rows.length > 0 };
  }
  const previous = cursor.after !== undefined && rows.length > 0;
  return { members: rows.slice(0, MEMBERS_ON_PAGE), previous, next: more };
}
