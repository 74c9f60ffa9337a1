import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Db, Trx } from '../../deps.ts';
import { findActiveUser, type User } from '../../users/store.ts';
import { BUILTIN_ROLES, covers, type Held, holds } from '../permissions.ts';
import { findRole, heldOf } from '../roles/store.ts';
import { insertMembership, insertMembershipRoles, lockOrganizationFor } from '../store.ts';
import { findOpenTo, isOpenTo, type Joinable, wasRemoved } from './join-sql.ts';

/**
 * The organizations that a person may join because their verified address is at a domain that is
 * proven to be the organization's: one, as it is nobody else's. None that they belong to already, are
 * suspended or were removed from. Of subdomains nothing is known: each is proven by itself.
 */
export async function findJoinable(db: Db, user: User): Promise<Joinable[]> {
  const domain = verifiedDomainOf(user);
  const found = domain === undefined ? undefined : await findOpenTo(db, domain, user.id);
  if (found === undefined || (await wasRemoved(db, found.id, user.id))) return [];
  return [found];
}

/** Whether a person may join this organization by their address ({@link findJoinable}). */
export async function mayJoin(db: Db, organizationId: string, user: User): Promise<boolean> {
  return (await findJoinable(db, user)).some(({ id }) => id === organizationId);
}

/** Whether somebody may have others join by domain: they could invite them as members. */
export async function mayLetJoin(db: Db, organizationId: string, by: Held): Promise<boolean> {
  if (!holds(by, 'members:invite')) return false;
  const role = await findRole(db, organizationId, BUILTIN_ROLES.member);
  return role !== undefined && covers(by, heldOf(role));
}

/**
 * Makes a person a member by their address, if they still may by what is there now. Once more, it
 * changes nothing.
 *
 * @returns whether they are an active member now.
 */
export async function joinByDomain(
  trx: Trx,
  origin: Origin,
  organizationId: string,
  { id: userId }: User,
): Promise<boolean> {
  const organization = await lockOrganizationFor(trx, organizationId, userId);
  if (organization === undefined) return false;
  if (organization.membership !== null) return organization.context !== null;
  const user = await findActiveUser(trx, userId);
  const domain = user && verifiedDomainOf(user);
  if (domain === undefined || !(await isOpenTo(trx, organizationId, domain))) return false;
  if (await wasRemoved(trx, organizationId, userId)) return false;
  await insertMembership(trx, organizationId, userId, 'domain');
  await insertMembershipRoles(trx, organizationId, userId, [BUILTIN_ROLES.member]);
  const data = { source: 'domain', roles: ['member'] };
  await record(trx, origin, { type: 'member.added', organizationId, userId, data });
  return true;
}

function verifiedDomainOf({ email, email_verified_at }: User): string | undefined {
  if (email === null || email_verified_at === null) return undefined;
  return email.slice(email.lastIndexOf('@') + 1);
}
