import type { Db, Trx } from '../deps.ts';

export type StoredPassword = {
  hash: string;
  /** It only leads to choosing another. */
  must_change: boolean;
  /** In the database's own words, down to the microsecond. */
  changed_at: string;
};

/** The stored password of a user, if they have one. */
export async function findPassword(db: Db, userId: string): Promise<StoredPassword | undefined> {
  return db('passwords')
    .where({ user_id: userId })
    .first('hash', 'must_change', db.raw('changed_at::text AS changed_at'));
}

/**
 * Whether a user's password is still the one that was set at this time. It stays so until the
 * transaction ends.
 */
export async function holdPassword(trx: Trx, userId: string, changedAt: string): Promise<boolean> {
  const row = await trx('passwords')
    .where({ user_id: userId })
    .whereRaw('changed_at = ?::timestamptz', [changedAt])
    .forShare()
    .first('user_id');
  return row !== undefined;
}

/** The hash of a user's password, if they have one. */
export async function findPasswordHash(db: Db, userId: string): Promise<string | undefined> {
  return (await findPassword(db, userId))?.hash;
}

/** Sets a user's password, replacing the one before. */
export async function upsertPassword(
  trx: Trx,
  { must_change = false, ...row }: { user_id: string; hash: string; must_change?: boolean },
): Promise<void> {
  await trx('passwords')
    .insert({ ...row, must_change, changed_at: trx.fn.now() })
    .onConflict('user_id')
    .merge();
}

/** Takes a user's password away: it stops working at once. */
export async function removePassword(trx: Trx, userId: string): Promise<void> {
  await trx('passwords').where({ user_id: userId }).delete();
}

/** Uses up a password that must be changed, set at this time: of N that race, one gets true. */
export async function takeMustChange(
  trx: Trx,
  userId: string,
  changedAt: string,
): Promise<boolean> {
  const count = await trx('passwords')
    .where({ user_id: userId, must_change: true })
    .whereRaw('changed_at = ?::timestamptz', [changedAt])
    .update({ must_change: false });
  return count === 1;
}

/** Replaces a hash by one of the same password with today's parameters, unless it changed meanwhile. */
export async function rehashPassword(
  trx: Trx,
  userId: string,
  hashes: { from: string; to: string },
): Promise<void> {
  await trx('passwords').where({ user_id: userId, hash: hashes.from }).update({ hash: hashes.to });
}
