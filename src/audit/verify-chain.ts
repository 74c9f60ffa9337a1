import type { Db } from '../deps.ts';
import { followChain, type Link, readChainState } from './chain-sql.ts';

/** Events looked at in one statement. */
const BATCH = 1000;

export type ChainVerdict =
  | {
      ok: true;
      events: number /** Hash of the last event, in hex; '' before the first. */;
      head: string;
    }
  /** `position` of the first event that was changed, left out or put in; `id` of one in no place. */
  | { ok: false; position: number }
  | { ok: false; id: string };

/**
 * Follows the hash chain of an organization's events from the first to its head, in batches. Events
 * that are recorded meanwhile come after the head and are left for the next time.
 */
export async function verifyChain(
  db: Db,
  organizationId: string,
  batch = BATCH,
): Promise<ChainVerdict> {
  const { head, events, placeless } = await readChainState(db, organizationId);
  let at: Link = { position: 0, hash: Buffer.alloc(0) };
  while (at.position < head.position) {
    const limit = Math.min(batch, head.position - at.position);
    const { broken, last } = await followChain(db, organizationId, at, limit);
    if (broken !== null) return { ok: false, position: broken };
    if (last === undefined) return { ok: false, position: at.position + 1 };
    at = last;
  }
  if (!at.hash.equals(head.hash)) return { ok: false, position: head.position };
  if (placeless !== null) return { ok: false, id: placeless };
  return { ok: true, events, head: head.hash.toString('hex') };
}
