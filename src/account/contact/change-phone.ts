import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { lockActiveUser, type User, updateUser } from '../../users/store.ts';

/** Whether the number is the person's, and known to be. */
export function hasVerifiedPhone(user: User, phone: string): boolean {
  return user.phone_number === phone && user.phone_number_verified_at !== null;
}

/** Gives a person, whose row is held, a number that they have proven to read. */
export async function applyPhone(
  trx: Trx,
  origin: Origin,
  user: User,
  phone: string,
): Promise<void> {
  await updateUser(trx, user.id, {
    phone_number: phone,
    phone_number_verified_at: trx.fn.now(),
  });
  await record(trx, origin, { type: 'phone.verified', userId: user.id });
}

/** Gives a person, whose row is held, a number that nobody has proven. */
export async function notePhone(
  trx: Trx,
  origin: Origin,
  { id: userId }: User,
  phone: string,
): Promise<void> {
  await updateUser(trx, userId, { phone_number: phone, phone_number_verified_at: null });
  await record(trx, origin, {
    type: 'profile.updated',
    userId,
    data: { fields: ['phone_number'] },
  });
}

/** Takes a person's number away, while they may sign in. */
export async function removePhone(trx: Trx, origin: Origin, userId: string): Promise<void> {
  const user = await lockActiveUser(trx, userId);
  if (user !== undefined) await takePhoneOf(trx, origin, user);
}

/** Takes away the number of somebody whose row is held. */
export async function takePhoneOf(trx: Trx, origin: Origin, user: User): Promise<void> {
  if (user.phone_number === null) return;
  await updateUser(trx, user.id, { phone_number: null, phone_number_verified_at: null });
  await record(trx, origin, { type: 'phone.removed', userId: user.id });
}
