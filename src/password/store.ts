import type { Db, Trx } from '../deps.ts';

/** The stored PHC hash of a user's password, if they have one. */
export async function findPasswordHash(db: Db, userId: string): Promise<string | undefined> {
  return (await db('passwords').where({ user_id: userId }).first('hash'))?.hash;
}

/** Sets a user's password hash, replacing the one before. */
export async function upsertPassword(
  trx: Trx,
  row: { user_id: string; hash: string },
): Promise<void> {
  await trx('passwords')
    .insert({ ...row, changed_at: trx.fn.now() })
    .onConflict('user_id')
    .merge();
}

/** Replaces a hash by one of the same password with today's parameters, unless it changed meanwhile. */
export async function rehashPassword(
  trx: Trx,
  userId: string,
  hashes: { from: string; to: string },
): Promise<void> {
  await trx('passwords').where({ user_id: userId, hash: hashes.from }).update({ hash: hashes.to });
}
