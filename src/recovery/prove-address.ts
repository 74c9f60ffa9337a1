import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import { type User, updateUser } from '../users/store.ts';

/** Takes a person's address for verified, once they used what was sent there. */
export async function proveAddress(trx: Trx, origin: Origin, user: User): Promise<void> {
  if (user.email_verified_at !== null) return;
  await updateUser(trx, user.id, { email_verified_at: trx.fn.now() });
  await record(trx, origin, { type: 'email.verified', userId: user.id });
}
