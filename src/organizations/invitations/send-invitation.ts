import { hashToken } from '../../crypto/token-hash.ts';
import type { Trx } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { type Reservation, reserve, type ThrottleKey } from '../../throttle/throttle.ts';
import type { Organization } from '../store.ts';
import type { Inviter } from './inviter.ts';

/** What invitations are sent with. */
export type InvitationTools = {
  mailer: Mailer;
  issuer: string;
  randomBytes: (size: number) => Buffer;
  /** The one form of an address; undefined for what is none. */
  canonicalEmail: (typed: string) => string | undefined;
  /** An address as the database compares it. */
  foldCase: (email: string) => string;
};

/** A link that nobody has seen, and what is stored of it. */
export type NewLink = { url: string; token_hash: Buffer };

/** Makes the link of an invitation: at the configured issuer, good for 256 bits of guessing. */
export function makeLink({ randomBytes, issuer }: InvitationTools): NewLink {
  const token = randomBytes(32).toString('base64url');
  return { url: `${issuer}/join/${token}`, token_hash: hashToken(token) };
}

/**
 * Counts a mail to an address: by the organization, by who invites, who may do so in others, and by
 * the mailbox, whoever else writes there; but not what the installation sends. Addresses are to come in
 * one order, or two of these wait for each other.
 */
export async function reserveMail(
  trx: Trx,
  { foldCase }: InvitationTools,
  inviter: Inviter,
  organizationId: string,
  email: string,
): Promise<Reservation> {
  if (inviter === 'installation') return { ok: true };
  const keys: ThrottleKey[] = [
    { scope: 'organization', id: `${organizationId} invitations` },
    { scope: 'inviter', id: inviter.userId },
    { scope: 'message', id: `${foldCase(email)} invitation` },
  ];
  return reserve(trx, keys);
}

/** What the mail of an invitation says. */
export type InvitationMail = {
  organization: Pick<Organization, 'name'>;
  email: string;
  url: string;
  days: number;
  /** Name of who invites; empty for the installation. */
  from: string;
  message: string | null;
  locale: string;
};

/** Queues the mail of an invitation, where mail is sent. */
export async function queueInvitation(
  trx: Trx,
  { mailer }: InvitationTools,
  mail: InvitationMail,
): Promise<void> {
  if (!mailer.enabled) return;
  await mailer.queue(trx, {
    template: 'organization-invitation',
    to: mail.email,
    locale: mail.locale,
    vars: {
      url: mail.url,
      days: String(mail.days),
      organization: mail.organization.name,
      inviter: mail.from,
      message: mail.message ?? '',
    },
  });
}
