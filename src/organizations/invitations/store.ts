import { hashToken } from '../../crypto/token-hash.ts';
import type { Db, Trx } from '../../deps.ts';
import type { MemberRole } from '../members/store.ts';

export type Invitation = {
  id: string;
  organization_id: string;
  /** In canonical form. */
  email: string;
  /** SHA-256 of what its newest link carries. */
  token_hash: Buffer;
  /** Whether the link was mailed: else somebody else saw it, and it proves nobody's address. */
  mailed: boolean;
  message: string | null;
  /** The app that they go on to. */
  client_id: string | null;
  /** Language of its mails. */
  locale: string | null;
  status: 'pending' | 'accepted' | 'revoked';
  /** Null for the installation. */
  invited_by: string | null;
  /** Who asks to accept it although the address isn't theirs. */
  requested_by: string | null;
  accepted_by: string | null;
  accepted_at: Date | null;
  sent_at: Date;
  expires_at: Date;
  /** By the database's clock. */
  expired: boolean;
  /** Those of its roles that there still are. */
  roles: MemberRole[];
};

const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** What is read of an invitation `i`. */
export const INVITATION_COLUMNS = `i.id, i.organization_id, i.email, i.token_hash, i.mailed, i.message,
  i.client_id, i.locale, i.status, i.invited_by, i.requested_by, i.accepted_by, i.accepted_at, i.sent_at, i.expires_at,
  i.expires_at <= now() AS expired,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'builtin', r.builtin)
      ORDER BY r.builtin DESC, CASE WHEN r.builtin THEN r.id END, r.key)
    FROM invitation_roles ir JOIN roles r ON r.id = ir.role_id WHERE ir.invitation_id = i.id), '[]') AS roles`;

/** An invitation by its id, whatever its state. */
export async function findInvitation(db: Db, id: string): Promise<Invitation | undefined> {
  if (!ID.test(id)) return undefined;
  const { rows } = await db.raw<{ rows: Invitation[] }>(
    `SELECT ${INVITATION_COLUMNS} FROM invitations i WHERE i.id = ?`,
    [id],
  );
  return rows[0];
}

/** The invitation whose newest link has this token, whatever its state. */
export async function findInvitationByToken(
  db: Db,
  token: string,
): Promise<Invitation | undefined> {
  const { rows } = await db.raw<{ rows: Invitation[] }>(
    `SELECT ${INVITATION_COLUMNS} FROM invitations i WHERE i.token_hash = ?`,
    [hashToken(token)],
  );
  return rows[0];
}

/** Invitations to an organization that wait for these addresses, expired ones included. */
export async function findPendingFor(
  trx: Trx,
  organizationId: string,
  emails: readonly string[],
): Promise<Invitation[]> {
  const { rows } = await trx.raw<{ rows: Invitation[] }>(
    `SELECT ${INVITATION_COLUMNS} FROM invitations i
     WHERE i.organization_id = :organizationId AND i.status = 'pending'
       AND lower(i.email) = ANY (ARRAY(SELECT lower(one) FROM unnest(:emails::text[]) one))`,
    { organizationId, emails: [...emails] },
  );
  return rows;
}

/** What is known of people with these addresses. */
export async function findAddressed(
  trx: Trx,
  organizationId: string,
  emails: readonly string[],
): Promise<{ email: string; locale: string | null; member: boolean }[]> {
  const { rows } = await trx.raw(
    `SELECT u.email, u.locale, m.user_id IS NOT NULL AS member FROM users u
     LEFT JOIN memberships m ON m.user_id = u.id AND m.organization_id = :organizationId
     WHERE lower(u.email) = ANY (ARRAY(SELECT lower(one) FROM unnest(:emails::text[]) one))`,
    { organizationId, emails: [...emails] },
  );
  return rows;
}

/** How many invitations to an organization can still be accepted. */
export async function countOpenInvitations(db: Db, organizationId: string): Promise<number> {
  const row = await db('invitations')
    .where({ organization_id: organizationId, status: 'pending' })
    .where('expires_at', '>', db.fn.now())
    .first(db.raw('count(*)::int AS open'));
  return row?.open ?? 0;
}

/** What an invitation that is sent says; the hash is of its link's token. */
export type SentInvitation = Pick<Invitation, 'mailed' | 'message' | 'client_id' | 'locale'> & {
  token_hash: Buffer;
  invited_by: string | null;
  days: number;
  roleIds: readonly string[];
};

/** Keeps a new invitation. */
export async function insertInvitation(
  trx: Trx,
  about: Pick<Invitation, 'id' | 'organization_id' | 'email'>,
  { days, roleIds, ...sent }: SentInvitation,
): Promise<void> {
  const expires_at = trx.raw('now() + make_interval(days => ?)', [days]);
  await trx('invitations').insert({ ...about, ...sent, expires_at });
  await insertRoles(trx, about, roleIds);
}

/** Makes another of a pending invitation: who asked to accept the one before has to ask again. */
export async function replaceInvitation(
  trx: Trx,
  about: Pick<Invitation, 'id' | 'organization_id'>,
  { days, roleIds, ...sent }: SentInvitation,
): Promise<void> {
  await trx('invitations')
    .where({ id: about.id })
    .update({
      ...sent,
      requested_by: null,
      sent_at: trx.fn.now(),
      expires_at: trx.raw('now() + make_interval(days => ?)', [days]),
    });
  await trx('invitation_roles').where({ invitation_id: about.id }).delete();
  await insertRoles(trx, about, roleIds);
}

async function insertRoles(
  trx: Trx,
  { id, organization_id: organizationId }: Pick<Invitation, 'id' | 'organization_id'>,
  roleIds: readonly string[],
): Promise<void> {
  await trx.raw(
    `INSERT INTO invitation_roles (invitation_id, organization_id, role_id, role_scope)
     SELECT :id, :organizationId, r.id, r.scope FROM roles r
     WHERE r.id = ANY (:roleIds::uuid[]) AND (r.organization_id IS NULL OR r.organization_id = :organizationId)`,
    { id, organizationId, roleIds: [...roleIds] },
  );
}

/** Gives a pending invitation another link, for as many days as the one before worked. */
export async function renewInvitation(
  trx: Trx,
  id: string,
  renewed: { token_hash: Buffer; mailed: boolean; invited_by: string | null },
): Promise<void> {
  await trx('invitations')
    .where({ id })
    .update({
      ...renewed,
      sent_at: trx.fn.now(),
      expires_at: trx.raw('now() + (expires_at - sent_at)'),
    });
}

/** Ends an invitation: it is kept for a while from then on. */
export async function endInvitation(
  trx: Trx,
  id: string,
  end: { status: 'revoked' } | { status: 'accepted'; accepted_by: string },
): Promise<void> {
  await trx('invitations')
    .where({ id })
    .update({
      ...end,
      ...(end.status === 'accepted' ? { accepted_at: trx.fn.now() } : {}),
      requested_by: null,
      expires_at: trx.raw('least(expires_at, now())'),
    });
}

/** Keeps who asks to accept an invitation to another address; null for nobody. */
export async function updateRequester(
  trx: Trx,
  id: string,
  requested_by: string | null,
): Promise<void> {
  await trx('invitations').where({ id }).update({ requested_by });
}

/** Whether one of a member's roles lets them invite, whatever the organization lets all members do. */
export async function invitesByRole(
  db: Db,
  organizationId: string,
  userId: string,
): Promise<boolean> {
  const { rows } = await db.raw(
    `SELECT FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
     WHERE mr.organization_id = ? AND mr.user_id = ?
       AND ((r.builtin AND r.key = 'owner') OR 'members:invite' = ANY (r.permissions))`,
    [organizationId, userId],
  );
  return rows.length > 0;
}

/** Keeps what became of a form until its page was looked at; false when the form was sent before. */
export async function insertResults(
  trx: Trx,
  row: { organization_id: string; user_id: string; form: string; sealed: string },
): Promise<boolean> {
  const rows = await trx('invitation_results')
    .insert({ ...row, expires_at: trx.raw("now() + interval '1 hour'") })
    .onConflict()
    .ignore()
    .returning('form');
  return rows.length === 1;
}

/** What became of a form, sealed. */
export async function findResults(
  db: Db,
  form: { organization_id: string; user_id: string; form: string },
): Promise<string | undefined> {
  if (!ID.test(form.form)) return undefined;
  const row = await db('invitation_results')
    .where(form)
    .where('expires_at', '>', db.fn.now())
    .first('sealed');
  return row?.sealed;
}
