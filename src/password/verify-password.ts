import type { PasswordHasher } from '../crypto/password-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Db } from '../deps.ts';
import { AppError } from '../errors.ts';
import { release, reserve, type ThrottleKey, takeBack } from '../throttle/throttle.ts';
import { NOBODY, type User } from '../users/store.ts';
import { normalizePassword } from './rules.ts';
import { findPassword, rehashPassword } from './store.ts';

export type PasswordOutcome =
  | {
      ok: true;
      user: User;
      /** When the password was set, by which it is known whether it was replaced since. */
      setAt: string;
      /** The same, if it only leads to choosing another. */
      mustChange: string | undefined;
    }
  | { ok: false; reason: 'unknown_user' | 'wrong_password' | 'suspended'; userId?: string };

/**
 * Checks the password of a user, or of nobody. Unknown, suspended and passwordless users cost the
 * same query and hash as the others (security 9), and are told apart only in the result. An imported hash costs
 * what it costs until its first right password, which replaces it by one of today's.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function verifyPassword(
  db: Db,
  hasher: PasswordHasher,
  user: User | undefined,
  password: string,
): Promise<PasswordOutcome> {
  const stored = await findPassword(db, user?.id ?? NOBODY);
  const matches = await matchesHash(hasher, stored?.hash, password);
  if (user === undefined) return { ok: false, reason: 'unknown_user' };
  if (!matches || stored === undefined) {
    return { ok: false, reason: 'wrong_password', userId: user.id };
  }
  if (user.status !== 'active') return { ok: false, reason: 'suspended', userId: user.id };
  if (hasher.isStale(stored.hash)) {
    await rehash(db, hasher, user, { from: stored.hash, password: normalizePassword(password) });
  }
  const { changed_at: setAt, must_change } = stored;
  return { ok: true, user, setAt, mustChange: must_change ? setAt : undefined };
}

/**
 * Whether somebody has this password already: how a form that is sent again is told from another.
 * Tries are counted, or whoever keeps such a form could try passwords with it all day.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function isCurrentPassword(
  db: Db,
  hasher: PasswordHasher,
  user: User,
  password: string,
): Promise<boolean> {
  const keys: ThrottleKey[] = [{ scope: 'account', id: `${user.id} form sent again` }];
  const reservation = await transaction(db, (trx) => reserve(trx, keys));
  if (!reservation.ok) return false;
  const outcome = await verifyPassword(db, hasher, user, password).catch(async (error) => {
    await transaction(db, (trx) => takeBack(trx, keys));
    throw error;
  });
  if (outcome.ok) await transaction(db, (trx) => release(trx, keys));
  return outcome.ok;
}

/**
 * Other systems hashed what was typed, we its normal form: where the two differ, either may match.
 * That is tried for everybody, so that it doesn't tell whose hash was imported.
 */
async function matchesHash(
  hasher: PasswordHasher,
  hash: string | undefined,
  password: string,
): Promise<boolean> {
  const normalized = normalizePassword(password);
  if (await hasher.verify(hash, normalized)) return true;
  if (normalized === password) return false;
  const imported = hash !== undefined && hasher.isStale(hash) ? hash : undefined;
  return hasher.verify(imported, password);
}

async function rehash(
  db: Db,
  hasher: PasswordHasher,
  user: User,
  { from, password }: { from: string; password: string },
): Promise<void> {
  const to = await hasher.hash(password).catch((error) => {
    // The password was right all the same; the next sign-in tries again.
    if (error instanceof AppError && error.code === 'busy') return undefined;
    throw error;
  });
  if (to !== undefined) {
    await transaction(db, (trx) => rehashPassword(trx, user.id, { from, to }));
  }
}
