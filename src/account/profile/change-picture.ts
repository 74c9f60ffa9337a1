import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { lockActiveUser, type User, updateUser } from '../../users/store.ts';
import { deletePicture, findPictureOf, type Picture, replacePicture } from './store.ts';

/** Gives a person this picture, while they may sign in; the same file sent twice is one change. */
export async function setPicture(
  trx: Trx,
  origin: Origin,
  userId: string,
  issuer: string,
  picture: Picture,
): Promise<void> {
  const user = await lockActiveUser(trx, userId);
  const before = await findPictureOf(trx, userId);
  if (user === undefined || before?.content.equals(picture.content)) return;
  await replacePicture(trx, userId, picture);
  await updateUser(trx, userId, { picture: `${issuer}/pictures/${picture.id}.webp` });
  await recordChange(trx, origin, userId);
}

/** Takes a person's picture away, while they may sign in. */
export async function removePicture(trx: Trx, origin: Origin, userId: string): Promise<void> {
  const user = await lockActiveUser(trx, userId);
  if (user !== undefined) await takePictureOf(trx, origin, user);
}

/**
 * Takes away the picture of somebody whose row is held, wherever it is kept.
 *
 * @returns whether there was one.
 */
export async function takePictureOf(trx: Trx, origin: Origin, user: User): Promise<boolean> {
  if (user.picture === null) return false;
  await deletePicture(trx, user.id);
  await updateUser(trx, user.id, { picture: null });
  await recordChange(trx, origin, user.id);
  return true;
}

async function recordChange(trx: Trx, origin: Origin, userId: string): Promise<void> {
  await record(trx, origin, { type: 'profile.updated', userId, data: { fields: ['picture'] } });
}
