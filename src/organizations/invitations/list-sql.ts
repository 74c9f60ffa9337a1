import type { Db } from '../../deps.ts';
import { INVITATION_COLUMNS, type Invitation } from './store.ts';

/** A person as they are named beside an invitation. */
type Named = { name: string | null; email: string | null };

/** A pending invitation as those who invite see it. */
export type ListedInvitation = Invitation & {
  /** Null for the installation. */
  inviter: Named | null;
  requester: Named | null;
};

const NAMED = (
  u: string,
): string => `CASE WHEN ${u}.id IS NULL THEN NULL ELSE jsonb_build_object('name',
  coalesce(nullif(${u}.name, ''), nullif(concat_ws(' ', ${u}.given_name, ${u}.family_name), '')),
  'email', coalesce(${u}.email, ${u}.username)) END`;

/**
 * Pending invitations to an organization, newest first.
 *
 * @param options.invitedBy only those of one member.
 * @param options.requested those that somebody with another address asks to accept, or the others; all
 *   unless given.
 * @param options.before the id of the last one on the page before.
 */
export async function listPendingInvitations(
  db: Db,
  organizationId: string,
  options: { invitedBy?: string; requested?: boolean; before?: string | undefined; limit: number },
): Promise<ListedInvitation[]> {
  const { invitedBy = null, requested = null, before = null, limit } = options;
  const { rows } = await db.raw<{ rows: ListedInvitation[] }>(
    `SELECT ${INVITATION_COLUMNS}, ${NAMED('u')} AS inviter, ${NAMED('q')} AS requester
     FROM invitations i
     LEFT JOIN users u ON u.id = i.invited_by
     LEFT JOIN users q ON q.id = i.requested_by
     WHERE i.organization_id = :organizationId AND i.status = 'pending'
       AND (:requested::boolean IS NULL OR (i.requested_by IS NOT NULL) = :requested::boolean)
       AND (:invitedBy::uuid IS NULL OR i.invited_by = :invitedBy::uuid)
       AND (:before::uuid IS NULL OR i.id < :before::uuid)
     ORDER BY i.id DESC LIMIT :limit`,
    { organizationId, requested, invitedBy, before, limit },
  );
  return rows;
}

/** An invitation as the person sees it whom it is for. */
export type OpenInvitation = {
  id: string;
  organization: { id: string; slug: string; name: string };
  /** Who invites; null for the installation. */
  inviter: string | null;
  /** When it expires. */
  expires_at: Date;
};

/**
 * The invitations that a person can accept who has proven this address, newest first: those of
 * organizations that they belong to already, or that are being deleted, are left out.
 */
export async function listOpenInvitations(
  db: Db,
  user: { id: string; email: string | null; email_verified_at: Date | null },
): Promise<OpenInvitation[]> {
  if (user.email === null || user.email_verified_at === null) return [];
  const { rows } = await db.raw<{ rows: OpenInvitation[] }>(
    `SELECT i.id, i.expires_at, jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name) AS organization,
       coalesce(nullif(u.name, ''), nullif(concat_ws(' ', u.given_name, u.family_name), ''), u.email,
         u.username) AS inviter
     FROM invitations i
     JOIN organizations o ON o.id = i.organization_id
     LEFT JOIN users u ON u.id = i.invited_by
     WHERE lower(i.email) = lower(:email) AND i.status = 'pending' AND i.expires_at > now()
       AND o.delete_after IS NULL
       AND (i.invited_by IS NULL OR EXISTS (SELECT FROM memberships b WHERE b.organization_id = o.id
         AND b.user_id = i.invited_by AND b.status = 'active'))
       AND NOT EXISTS (SELECT FROM memberships m WHERE m.organization_id = o.id AND m.user_id = :id)
     ORDER BY i.id DESC LIMIT 100`,
    { email: user.email, id: user.id },
  );
  return rows;
}

/** An app that an invitation can lead on to. */
export type InvitationApp = { id: string; name: string };

/**
 * The apps that those who are invited can be sent on to: those of the installation and of the
 * organization that say where they are entered.
 *
 * @param id only the one with this id.
 */
export async function listInvitationApps(
  db: Db,
  organizationId: string,
  id?: string,
): Promise<InvitationApp[]> {
  if (id?.includes('\0')) return [];
  return db('clients')
    .where(id === undefined ? {} : { id })
    .where((q) => q.where({ first_party: true }).orWhere({ organization_id: organizationId }))
    .where((q) => q.whereNull('organization_id').orWhere({ organization_id: organizationId }))
    .whereNot({ kind: 'machine' })
    .whereRaw("coalesce(metadata->>'initiate_login_uri', metadata->>'client_uri') IS NOT NULL")
    .orderByRaw('lower(name), id')
    .limit(100)
    .select('id', 'name');
}
