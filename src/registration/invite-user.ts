import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { findClient } from '../clients/store.ts';
import type { Config } from '../config.ts';
import type { Trx } from '../deps.ts';
import type { Mailer } from '../mail/mail.ts';
import { type CodeTools, issueCode } from '../one-time-codes/issue-code.ts';
import { findPasswordHash } from '../password/store.ts';
import { createUser } from '../users/create-user.ts';
import { canonicalEmail } from '../users/identifiers.ts';
import { findUserByIdentifier, lockUser, type User } from '../users/store.ts';

const DAYS = 7;

export type InvitationParts = {
  codes: CodeTools;
  mailer: Mailer;
  issuer: string;
  signUp: Pick<Config['signUp'], 'policy'>;
};

export type Invitation = {
  email: string;
  /** In full. */
  name?: string | undefined;
  givenName?: string | undefined;
  familyName?: string | undefined;
  /** Language tag of the mail; the person's, or English, unless given. */
  locale?: string | undefined;
  /** The app they go on to once they have accepted. */
  clientId?: string | undefined;
};

export type InvitationResult =
  | {
      ok: true;
      user: User;
      /** The link, for where it isn't mailed; it opens the account. */
      url: string;
      /** Seconds the link works. */
      expiresIn: number;
      mailed: boolean;
    }
  | { ok: false; reason: 'closed' | 'email_invalid' | 'email_taken' | 'client_unknown' };

/**
 * Makes an account without a password for an address that nobody verified, and mails it a link to
 * take it over. Asked again for a person who hasn't yet, it sends another link; only the newest works.
 */
export async function inviteUser(
  trx: Trx,
  parts: InvitationParts,
  origin: Origin,
  invitation: Invitation,
): Promise<InvitationResult> {
  const { codes, mailer, issuer } = parts;
  const { clientId } = invitation;
  if (parts.signUp.policy === 'closed') return { ok: false, reason: 'closed' };
  const email = canonicalEmail(invitation.email);
  if (email === undefined) return { ok: false, reason: 'email_invalid' };
  if (clientId !== undefined && (await findClient(trx, clientId)) === undefined) {
    return { ok: false, reason: 'client_unknown' };
  }
  const user = await findOrCreate(trx, origin, email, invitation);
  if (user === undefined) return { ok: false, reason: 'email_taken' };

  const ttl = DAYS * 86_400;
  const { token } = await issueCode(trx, codes, {
    purpose: 'invitation',
    address: user.email ?? email,
    userId: user.id,
    ttl,
    data: clientId === undefined ? {} : { client_id: clientId },
  });
  const url = `${issuer}/invitation/${token}`;
  if (mailer.enabled) {
    await mailer.queue(trx, {
      template: 'invitation',
      vars: { url, days: String(DAYS) },
      to: user.email ?? email,
      locale: invitation.locale ?? user.locale ?? 'en',
      userId: user.id,
    });
  }
  await record(trx, origin, { type: 'user.invited', userId: user.id });
  return { ok: true, user, url, expiresIn: ttl, mailed: mailer.enabled };
}

/** Whether a person was invited and hasn't taken their account over yet. */
async function isInvitable(trx: Trx, user: User): Promise<boolean> {
  if (user.status !== 'active' || user.email_verified_at !== null) return false;
  return (await findPasswordHash(trx, user.id)) === undefined;
}

async function findOrCreate(
  trx: Trx,
  origin: Origin,
  email: string,
  { name, givenName, familyName }: Invitation,
): Promise<User | undefined> {
  const created = await createUser(trx, origin, {
    email,
    emailVerified: false,
    administrator: false,
    profile: {
      name: name || null,
      given_name: givenName || null,
      family_name: familyName || null,
    },
  });
  if (created.ok) return created.user;
  const found = await findUserByIdentifier(trx, email);
  // Held until the end: of invitations sent at once, only the last one's link works.
  const user = found && (await lockUser(trx, found.id));
  return user !== undefined && (await isInvitable(trx, user)) ? user : undefined;
}
