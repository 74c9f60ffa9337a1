import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { turnOffChannel } from '../../one-time-codes/message-factor.ts';
import { removeCodes } from '../../one-time-codes/store.ts';
import { accountName } from '../../users/identifiers.ts';
import { maskEmail } from '../../users/mask-address.ts';
import type { User } from '../../users/store.ts';
import { updateUnlessTaken } from '../../users/unless-taken.ts';

/** Whether the address is the person's, and known to be. */
export function hasVerified(user: User, email: string): boolean {
  return user.email === email && user.email_verified_at !== null;
}

/** What the address before is told with. */
export type EmailTools = { mailer: Mailer; issuer: string; locale: string };

/**
 * Gives a person, whose row is held, an address that they have proven to read, and tells the one
 * before. False when somebody else has it.
 */
export function applyEmail(
  trx: Trx,
  tools: EmailTools,
  origin: Origin,
  user: User,
  email: string,
): Promise<boolean> {
  return changeEmail(trx, tools, origin, user, { email, verified: true });
}

/** {@link applyEmail} for an address that need not be proven, or none. */
export async function changeEmail(
  trx: Trx,
  { mailer, issuer, locale }: EmailTools,
  origin: Origin,
  user: User,
  { email, verified }: { email: string | null; verified: boolean },
): Promise<boolean> {
  const email_verified_at = verified ? trx.fn.now() : null;
  if (!(await updateUnlessTaken(trx, user.id, { email, email_verified_at }))) return false;
  if (user.email === email) {
    await record(trx, origin, { type: 'email.verified', userId: user.id });
    return true;
  }
  await record(trx, origin, { type: 'email.changed', userId: user.id });
  // Codes as a second factor go only where they are known to be read.
  if (!verified) await turnOffChannel(trx, { mailer, issuer, locale }, origin, user, 'email');
  // Codes and links on their way to the old address are worth nothing from here on.
  await removeCodes(trx, user.id);
  await mailer.queue(trx, {
    template: 'email-changed',
    to: user.email ?? undefined,
    locale,
    userId: user.id,
    vars: {
      email: email === null ? accountName({ ...user, email }) : maskEmail(email),
      url: `${issuer}/account`,
    },
  });
  return true;
}
