import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import { endUserState } from '../oidc-state/end.ts';
import { type User, updateUserStatus } from './store.ts';

/** Suspends a user: signed out everywhere and refused everywhere, in one transaction (security 7). */
export async function suspendUser(trx: Trx, origin: Origin, user: User): Promise<void> {
  await updateUserStatus(trx, user.id, 'suspended');
  await endUserState(trx, user.id);
  await record(trx, origin, { type: 'user.suspended', userId: user.id });
}

/** Lets a suspended user sign in again. */
export async function activateUser(trx: Trx, origin: Origin, user: User): Promise<void> {
  await updateUserStatus(trx, user.id, 'active');
  await record(trx, origin, { type: 'user.activated', userId: user.id });
}
