import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import type { Mailer } from '../mail/mail.ts';
import { endUserState } from '../oidc-state/end.ts';
import { type CodeTools, issueCode } from '../one-time-codes/issue-code.ts';
import { removeCodes, takeTurn } from '../one-time-codes/store.ts';
import { removePassword } from '../password/store.ts';
import type { User } from '../users/store.ts';

/** Days the link works: nobody waits for it at a screen. */
const DAYS = 1;

export type ResetRequirement = {
  /** Where the link was mailed. */
  email: string;
  /** Seconds it works. */
  expiresIn: number;
};

export type ResetRequirementResult =
  | ({ ok: true } & ResetRequirement)
  /** The account can't sign in anyway, has no address, or no mail can be sent: nothing has changed. */
  | { ok: false; reason: 'inactive' | 'no_email' | 'no_mail' };

/**
 * Takes a person's password away, ends whatever is signed in with it, and mails them a link to choose
 * another; codes and links sent before stop working. Other factors stay.
 */
export async function requireReset(
  trx: Trx,
  parts: { codes: CodeTools; mailer: Mailer; issuer: string },
  origin: Origin,
  user: User,
): Promise<ResetRequirementResult> {
  const { codes, mailer, issuer } = parts;
  const { id, email } = user;
  if (user.status !== 'active') return { ok: false, reason: 'inactive' };
  if (email === null) return { ok: false, reason: 'no_email' };
  if (!mailer.enabled) return { ok: false, reason: 'no_mail' };
  // In the order in which a link is asked for and followed: of two at once none waits for another.
  await takeTurn(trx, 'reset-password', id);
  await removeCodes(trx, id);
  await removePassword(trx, id);
  await endUserState(trx, id);
  const ttl = DAYS * 86_400;
  const { token } = await issueCode(trx, codes, {
    purpose: 'reset-password',
    address: email,
    userId: id,
    ttl,
  });
  await mailer.queue(trx, {
    template: 'reset-required',
    vars: { url: `${issuer}/reset-password/${token}`, days: String(DAYS) },
    to: email,
    locale: user.locale ?? 'en',
    userId: id,
  });
  await record(trx, origin, { type: 'password.reset_required', userId: id });
  return { ok: true, email, expiresIn: ttl };
}
