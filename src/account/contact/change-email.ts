import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { removeCodes } from '../../one-time-codes/store.ts';
import { type User, updateUser } from '../../users/store.ts';

/** Whether the address is the person's, and known to be. */
export function hasVerified(user: User, email: string): boolean {
  return user.email === email && user.email_verified_at !== null;
}

/**
 * Gives a person, whose row is held, an address that they have proven to read, and tells the one
 * before. False when somebody else has it.
 */
export async function applyEmail(
  trx: Trx,
  { mailer, issuer, locale }: { mailer: Mailer; issuer: string; locale: string },
  origin: Origin,
  user: User,
  email: string,
): Promise<boolean> {
  if (!(await updateUnlessTaken(trx, user.id, email))) return false;
  if (user.email === email) {
    await record(trx, origin, { type: 'email.verified', userId: user.id });
    return true;
  }
  await record(trx, origin, { type: 'email.changed', userId: user.id });
  // Codes and links on their way to the old address are worth nothing from here on.
  await removeCodes(trx, user.id);
  await mailer.queue(trx, {
    template: 'email-changed',
    to: user.email ?? undefined,
    locale,
    userId: user.id,
    vars: { email: maskEmail(email), url: `${issuer}/account` },
  });
  return true;
}

/** Enough of an address to know one's own by. */
function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  const [first = ''] = email;
  return `${first}•••${email.slice(at)}`;
}

async function updateUnlessTaken(trx: Trx, userId: string, email: string): Promise<boolean> {
  try {
    // A savepoint, so that a unique violation doesn't end the caller's transaction.
    await trx.transaction((savepoint) =>
      updateUser(savepoint, userId, { email, email_verified_at: savepoint.fn.now() }),
    );
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return false;
    throw error;
  }
}
