import type { Db } from '../deps.ts';
import { isStrongDevice } from '../devices/store.ts';
import type { ThrottleKey } from '../throttle/throttle.ts';

/**
 * What wrong codes of a person are counted by, whichever second factor they are of (security 4). A
 * browser in which they gave a second factor before has a count of its own, so that a stranger who has
 * the password can't keep its owner out.
 *
 * @param device hash of the browser's device id.
 */
export async function triesKey(
  db: Db,
  userId: string,
  device: Buffer | undefined,
): Promise<ThrottleKey> {
  const known = device !== undefined && (await isStrongDevice(db, device, userId));
  return { scope: 'factor', id: known ? `${userId} ${device.toString('base64url')}` : userId };
}
