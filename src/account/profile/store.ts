import type { Db, Trx } from '../../deps.ts';

export type Picture = { id: string; content: Buffer };

/** The picture with this id. */
export async function findPicture(db: Db, id: string): Promise<Picture | undefined> {
  return db('pictures').where({ id }).first('id', 'content');
}

/** A person's picture. */
export async function findPictureOf(db: Db, userId: string): Promise<Picture | undefined> {
  return db('pictures').where({ user_id: userId }).first('id', 'content');
}

/** Stores a person's picture in place of the one before, whose address then leads nowhere. */
export async function replacePicture(trx: Trx, userId: string, picture: Picture): Promise<void> {
  await deletePicture(trx, userId);
  await trx('pictures').insert({ ...picture, user_id: userId });
}

/** Deletes a person's picture. */
export async function deletePicture(trx: Trx, userId: string): Promise<void> {
  await trx('pictures').where({ user_id: userId }).delete();
}
