import type { PasswordHasher } from '../crypto/password-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Db } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { User } from '../users/store.ts';
import { normalizePassword } from './rules.ts';
import { findPasswordHash, rehashPassword } from './store.ts';

export type PasswordOutcome =
  | { ok: true; user: User }
  | { ok: false; reason: 'unknown_user' | 'wrong_password' | 'suspended'; userId?: string };

/**
 * Checks the password of a user, or of nobody. Unknown, suspended and passwordless users cost the
 * same hash as the others (security 9), and are told apart only in the result.
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function verifyPassword(
  db: Db,
  hasher: PasswordHasher,
  user: User | undefined,
  password: string,
): Promise<PasswordOutcome> {
  const normalized = normalizePassword(password);
  const hash = user && (await findPasswordHash(db, user.id));
  const matches = await hasher.verify(hash, normalized);
  if (user === undefined) return { ok: false, reason: 'unknown_user' };
  if (!matches || hash === undefined)
    return { ok: false, reason: 'wrong_password', userId: user.id };
  if (user.status !== 'active') return { ok: false, reason: 'suspended', userId: user.id };
  if (hasher.isStale(hash)) await rehash(db, hasher, user, { from: hash, password: normalized });
  return { ok: true, user };
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
