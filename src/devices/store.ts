import { v7 as uuid } from 'uuid';
import type { Db, Trx } from '../deps.ts';
import { NOBODY } from '../users/store.ts';

/**
 * Whether this user signed in on this device before; for nobody the same question is asked, so that
 * it takes as long (security 9).
 */
export async function isKnownDevice(
  db: Db,
  deviceHash: Buffer,
  userId: string | null | undefined,
): Promise<boolean> {
  const row = await db('known_devices')
    .where({ device_hash: deviceHash, user_id: userId ?? NOBODY })
    .first('user_id');
  return row !== undefined;
}

/**
 * Whether this user signed in on this device before with a second factor: whoever has their password
 * can make a device known, but not that.
 */
export async function isStrongDevice(db: Db, deviceHash: Buffer, userId: string): Promise<boolean> {
  const row = await db('known_devices')
    .where({ device_hash: deviceHash, user_id: userId })
    .whereNotNull('second_factor_at')
    .first('user_id');
  return row !== undefined;
}

/**
 * Remembers that this user signed in on this device.
 *
 * @param strong with a second factor.
 * @returns whether that is news: a device other than the ones they used before. The first is none.
 */
export async function rememberDevice(
  trx: Trx,
  deviceHash: Buffer,
  userId: string,
  strong = false,
): Promise<boolean> {
  const { rows } = await trx.raw(
    `INSERT INTO known_devices AS d (device_hash, user_id, second_factor_at)
     VALUES (:deviceHash, :userId, CASE WHEN :strong THEN now() END)
     ON CONFLICT (device_hash, user_id) DO UPDATE SET last_seen_at = now(),
       second_factor_at = coalesce(excluded.second_factor_at, d.second_factor_at)
     RETURNING d.xmax = 0
       AND EXISTS (SELECT FROM known_devices WHERE user_id = :userId) AS new_device`,
    { deviceHash, userId, strong },
  );
  return rows[0].new_device;
}

/** A browser that stands in for a second factor of its owner. */
export type TrustedDevice = {
  id: string;
  ip: string | null;
  user_agent: string | null;
  place: string | null;
  created_at: Date;
  last_used_at: Date;
  expires_at: Date;
};

/**
 * Those of a person that still count, the one used last first.
 *
 * @param token hash of the asking browser's token, to tell which of them it is.
 */
export async function listTrustedDevices(
  db: Db,
  userId: string,
  token?: Buffer,
): Promise<(TrustedDevice & { here: boolean })[]> {
  return db('trusted_devices')
    .where({ user_id: userId })
    .where('expires_at', '>', db.fn.now())
    .orderBy('last_used_at', 'desc')
    .orderBy('id', 'desc')
    .select('id', 'ip', 'user_agent', 'place', 'created_at', 'last_used_at', 'expires_at')
    .select(db.raw('coalesce(token_hash = ?, false) AS here', [token ?? null]));
}

/** Whether the token is of a browser of this person that was trusted within so many days. */
export async function isTrustedDevice(
  db: Db,
  userId: string,
  tokenHash: Buffer,
  days: number,
): Promise<boolean> {
  const row = await db('trusted_devices')
    .where({ user_id: userId, token_hash: tokenHash })
    .where('expires_at', '>', db.fn.now())
    // They may have been more days when it was trusted.
    .whereRaw('created_at > now() - make_interval(days => ?)', [days])
    .first('id');
  return row !== undefined;
}

/** Notes that a browser stood in for a second factor. */
export async function noteTrustedDevice(
  trx: Trx,
  userId: string,
  tokenHash: Buffer,
): Promise<void> {
  await trx('trusted_devices')
    .where({ user_id: userId, token_hash: tokenHash })
    .update({ last_used_at: trx.fn.now() });
}

/** Trusts a browser for so many days, in place of the same one by the token it had. */
export async function insertTrustedDevice(
  trx: Trx,
  device: {
    userId: string;
    tokenHash: Buffer;
    ip: string;
    userAgent: string | null;
    place: string | null;
  },
  { replaces, days }: { replaces: Buffer | undefined; days: number },
): Promise<void> {
  const { userId, tokenHash, ip, userAgent, place } = device;
  if (replaces !== undefined)
    await trx('trusted_devices').where({ user_id: userId, token_hash: replaces }).delete();
  await trx('trusted_devices').insert({
    id: uuid(),
    user_id: userId,
    token_hash: tokenHash,
    ip,
    user_agent: userAgent,
    place,
    expires_at: trx.raw('now() + make_interval(days => ?)', [days]),
  });
}

/**
 * Trusts a browser of this person no longer. The row is kept for a while, as the form may be sent
 * again.
 *
 * @returns what it was before; undefined for an id that is none of theirs.
 */
export async function removeTrustedDevice(
  trx: Trx,
  userId: string,
  id: string,
): Promise<'trusted' | 'forgotten' | undefined> {
  const row = await trx('trusted_devices')
    .where({ user_id: userId, id })
    .forUpdate()
    // Not now(), which is from before another that forgot it was waited for.
    .first(trx.raw('expires_at > clock_timestamp() AS trusted'));
  if (row === undefined) return undefined;
  if (!row.trusted) return 'forgotten';
  await trx('trusted_devices').where({ id }).update({ expires_at: trx.fn.now() });
  return 'trusted';
}

/** Trusts none of a person's browsers any longer. @returns how many there were. */
export async function removeTrustedDevices(trx: Trx, userId: string): Promise<number> {
  return trx('trusted_devices')
    .where({ user_id: userId })
    .where('expires_at', '>', trx.raw('clock_timestamp()'))
    .update({ expires_at: trx.fn.now() });
}
