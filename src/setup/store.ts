import type { Db, Trx } from '../deps.ts';
import type { User } from '../users/store.ts';

const PURPOSE = 'setup';

/** Replaces the setup link: only the newest works. `ttl` in seconds. */
export async function replaceSetupCode(
  trx: Trx,
  code: { id: string; hash: Buffer; ttl: number },
): Promise<void> {
  await trx('one_time_codes').where({ purpose: PURPOSE }).delete();
  await trx('one_time_codes').insert({
    id: code.id,
    hash: code.hash,
    purpose: PURPOSE,
    expires_at: trx.raw('now() + make_interval(secs => ?)', [code.ttl]),
  });
}

/** Whether a setup link still works. */
export async function isSetupCode(db: Db, hash: Buffer): Promise<boolean> {
  const row = await db('one_time_codes')
    .where({ purpose: PURPOSE, hash, user_id: null })
    .where('expires_at', '>', db.fn.now())
    .first('id');
  return row !== undefined;
}

/** Uses the link up for a user. @returns whether it worked; of N that race, one gets true. */
export async function takeSetupCode(trx: Trx, hash: Buffer, userId: string): Promise<boolean> {
  const count = await trx('one_time_codes')
    .where({ purpose: PURPOSE, hash, user_id: null })
    .where('expires_at', '>', trx.fn.now())
    .update({ user_id: userId });
  return count === 1;
}

/** The administrator for whom this link was used up. */
export async function findCreated(db: Db, hash: Buffer): Promise<User | undefined> {
  return db('one_time_codes')
    .join('users', 'users.id', 'one_time_codes.user_id')
    .where({ purpose: PURPOSE, hash })
    .first('users.*');
}
