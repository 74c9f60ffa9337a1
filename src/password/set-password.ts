import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import type { Trx } from '../deps.ts';
import { removeTrustedDevices } from '../devices/store.ts';
import { endUserState } from '../oidc-state/end.ts';
import type { User } from '../users/store.ts';
import { normalizePassword } from './rules.ts';
import { takeMustChange, upsertPassword } from './store.ts';

export type HashedPassword = { hash: string };

export type SetPasswordOptions = {
  /** It is good for one sign-in, in which the person has to choose another. */
  mustChange?: boolean;
  /** The uid of the session that goes on. */
  keepSession?: string;
};

/** Hashes a password that passed the rules (password-rules.ts); outside any transaction, as it takes long. */
export async function hashNewPassword(
  hasher: PasswordHasher,
  password: string,
): Promise<HashedPassword> {
  return { hash: await hasher.hash(normalizePassword(password)) };
}

/**
 * Sets a password and ends whatever was signed in with the one before, and what browsers were trusted
 * for.
 */
export async function setPassword(
  trx: Trx,
  origin: Origin,
  user: Pick<User, 'id'>,
  password: HashedPassword,
  { mustChange = false, keepSession }: SetPasswordOptions = {},
): Promise<void> {
  await upsertPassword(trx, { user_id: user.id, hash: password.hash, must_change: mustChange });
  await endUserState(trx, user.id, { except: keepSession });
  await record(trx, origin, { type: 'password.set', userId: user.id });
  const count = await removeTrustedDevices(trx, user.id);
  if (count > 0)
    await record(trx, origin, { type: 'device.forgotten', userId: user.id, data: { count } });
}

/**
 * Sets a password in place of one that must be changed. False when that one is gone: it was changed
 * elsewhere, or an administrator set another.
 */
export async function replaceTemporaryPassword(
  trx: Trx,
  origin: Origin,
  user: Pick<User, 'id'>,
  temporary: { setAt: string },
  password: HashedPassword,
): Promise<boolean> {
  if (!(await takeMustChange(trx, user.id, temporary.setAt))) return false;
  await setPassword(trx, origin, user, password);
  return true;
}
