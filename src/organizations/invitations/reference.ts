import { createHash } from 'node:crypto';
import { hashToken } from '../../crypto/token-hash.ts';
import type { Db } from '../../deps.ts';
import { findUser, NOBODY, type User } from '../../users/store.ts';
import { findOrganizationFor, type OrganizationFor } from '../store.ts';
import { stillStands } from './inviter.ts';
import { findInvitation, findInvitationByToken, type Invitation } from './store.ts';

/** An invitation that can be accepted, and who it is from; null for the installation. */
export type StandingInvitation = {
  invitation: Invitation;
  organization: OrganizationFor;
  inviter: User | null;
};

/**
 * What names an invitation to somebody who has its link, in addresses that are kept while they sign
 * in: the link's own token, which opens an account, is kept nowhere.
 */
export function referenceOf({ id, token_hash }: Pick<Invitation, 'id' | 'token_hash'>): string {
  return `${id}.${createHash('sha256').update(token_hash).digest('base64url').slice(0, 22)}`;
}

/**
 * The invitation of a reference, or of an id alone: then `linked` is false, and only whom it is for
 * may be told of it.
 */
export async function findByReference(
  db: Db,
  reference: string,
): Promise<{ invitation: Invitation; linked: boolean } | undefined> {
  const [id = '', proof] = reference.split('.', 2);
  const invitation = await findInvitation(db, id);
  if (invitation === undefined) return undefined;
  if (proof === undefined) return { invitation, linked: false };
  const right = hashToken(reference).equals(hashToken(referenceOf(invitation)));
  return right ? { invitation, linked: true } : undefined;
}

/** The invitation of a link, while it can be accepted. */
export async function findByLink(db: Db, token: string): Promise<StandingInvitation | undefined> {
  const invitation = await findInvitationByToken(db, token);
  return invitation && findStanding(db, invitation);
}

/** An invitation with what it is to, while it can be accepted. */
export async function findStanding(
  db: Db,
  invitation: Invitation,
): Promise<StandingInvitation | undefined> {
  if (invitation.status !== 'pending' || invitation.expired) return undefined;
  const { organization_id, invited_by } = invitation;
  const organization = await findOrganizationFor(db, organization_id, invited_by ?? NOBODY);
  if (organization === undefined || organization.delete_after !== null) return undefined;
  if (!(await stillStands(db, organization, invitation))) return undefined;
  const inviter = invited_by === null ? undefined : await findUser(db, invited_by);
  return { invitation, organization, inviter: inviter ?? null };
}
