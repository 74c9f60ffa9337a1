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

/** In a savepoint, so that a unique violation doesn't end the caller's transaction. */
async function unlessTaken<T>(
  trx: Trx,
  write: (savepoint: Trx) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await trx.transaction(write);
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return undefined;
    throw error;
  }
}
