import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import { hashToken } from '../../crypto/token-hash.ts';
import type { Trx } from '../../deps.ts';
import { endSession } from '../../oidc-state/end.ts';

/** What a session is called: it says nothing, and only its owner's list gives it a meaning. */
export function sessionName(uid: string): string {
  return hashToken(`session ${uid}`).toString('base64url').slice(0, 22);
}

/**
 * Ends sessions of a person and records each.
 *
 * @returns how many were still living.
 */
export async function endSessions(
  trx: Trx,
  origin: Origin,
  userId: string,
  uids: readonly string[],
): Promise<number> {
  let count = 0;
  // In one order, so that of two that end the same sessions neither waits for the other.
  for (const uid of uids.toSorted()) {
    if ((await endSession(trx, uid)) === undefined) continue;
    await record(trx, origin, { type: 'session.ended', userId });
    count += 1;
  }
  return count;
}
