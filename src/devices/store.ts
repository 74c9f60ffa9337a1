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
 * Remembers that this user signed in on this device.
 *
 * @returns whether that is news: a device other than the ones they used before. The first is none.
 */
export async function rememberDevice(
  trx: Trx,
  deviceHash: Buffer,
  userId: string,
): Promise<boolean> {
  const { rows } = await trx.raw(
    `INSERT INTO known_devices (device_hash, user_id) VALUES (:deviceHash, :userId)
     ON CONFLICT (device_hash, user_id) DO UPDATE SET last_seen_at = now()
     RETURNING xmax = 0
       AND EXISTS (SELECT FROM known_devices WHERE user_id = :userId) AS new_device`,
    { deviceHash, userId },
  );
  return rows[0].new_device;
}
