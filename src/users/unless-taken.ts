import { unlessTaken } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { insertUser, type NewUser, type User, type UserChange, updateUser } from './store.ts';

/** Inserts a user; undefined when somebody has the address or username. */
export function insertUnlessTaken(trx: Trx, user: NewUser): Promise<User | undefined> {
  return unlessTaken(trx, (savepoint) => insertUser(savepoint, user));
}

/** Changes a user. @returns false when somebody else has the address or username. */
export async function updateUnlessTaken(
  trx: Trx,
  userId: string,
  change: UserChange,
): Promise<boolean> {
  const done = await unlessTaken(trx, async (savepoint) => {
    await updateUser(savepoint, userId, change);
    return true;
  });
  return done === true;
}
