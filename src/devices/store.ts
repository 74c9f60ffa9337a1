import type { Db, Trx } from '../deps.ts';

/** Whether this user signed in on this device before. */
export async function isKnownDevice(db: Db, deviceHash: Buffer, userId: string): Promise<boolean> {
  const row = await db('known_devices')
    .where({ device_hash: deviceHash, user_id: userId })
    .first('user_id');
  return row !== undefined;
}

/** Remembers that this user signed in on this device. */
export async function rememberDevice(trx: Trx, deviceHash: Buffer, userId: string): Promise<void> {
  await trx('known_devices')
    .insert({ device_hash: deviceHash, user_id: userId })
    .onConflict(['device_hash', 'user_id'])
    .merge({ last_seen_at: trx.fn.now() });
}
