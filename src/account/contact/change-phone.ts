import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { type NoticeTools, turnOffChannel } from '../../one-time-codes/message-factor.ts';
import { type User, updateUser } from '../../users/store.ts';

/** Whether the number is the person's, and known to be. */
export function hasVerifiedPhone(user: User, phone: string): boolean {
  return user.phone_number === phone && user.phone_number_verified_at !== null;
}

/**
 * Gives a person, whose row is held, a number that they have proven to read. Codes are no longer sent
 * as a second factor, then, unless they `keep` it.
 */
export async function applyPhone(
  trx: Trx,
  tools: NoticeTools,
  origin: Origin,
  user: User,
  phone: string,
  { keep = false } = {},
): Promise<void> {
  if (phone !== user.phone_number && !keep) await turnOffChannel(trx, tools, origin, user, 'sms');
  await updateUser(trx, user.id, {
    phone_number: phone,
    phone_number_verified_at: trx.fn.now(),
  });
  await record(trx, origin, { type: 'phone.verified', userId: user.id });
}

/** Gives a person, whose row is held, a number that nobody has proven. */
export async function notePhone(
  trx: Trx,
  tools: NoticeTools,
  origin: Origin,
  user: User,
  phone: string,
): Promise<void> {
  const { id: userId } = user;
  await turnOffChannel(trx, tools, origin, user, 'sms');
  await updateUser(trx, userId, { phone_number: phone, phone_number_verified_at: null });
  await record(trx, origin, {
    type: 'profile.updated',
    userId,
    data: { fields: ['phone_number'] },
  });
}

/** Takes away the number of somebody whose row is held, and codes that are sent there. */
export async function takePhoneOf(
  trx: Trx,
  tools: NoticeTools,
  origin: Origin,
  user: User,
): Promise<void> {
  if (user.phone_number === null) return;
  await turnOffChannel(trx, tools, origin, user, 'sms');
  await updateUser(trx, user.id, { phone_number: null, phone_number_verified_at: null });
  await record(trx, origin, { type: 'phone.removed', userId: user.id });
}
