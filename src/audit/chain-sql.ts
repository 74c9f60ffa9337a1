import type { Db } from '../deps.ts';

/** A place in a chain, and the hash of the event there. */
export type Link = { position: number; hash: Buffer };

/** The head of an organization's chain, how many events it has, and one that is in no place. */
export type ChainState = { head: Link; events: number; placeless: string | null };

/** How an organization's chain is now, all of it at one moment. */
export async function readChainState(db: Db, organizationId: string): Promise<ChainState> {
  const { rows } = await db.raw(
    `SELECT coalesce(c.position, 0)::int8 AS position, coalesce(c.hash, '') AS hash,
        (SELECT count(*) FROM audit_events WHERE organization_id = :organizationId) AS events,
        (SELECT e.id FROM audit_events e WHERE e.organization_id = :organizationId
          AND (e.position IS NULL OR e.position NOT BETWEEN 1 AND coalesce(c.position, 0)) LIMIT 1) AS placeless
      FROM (VALUES (:organizationId::uuid)) o (id)
      LEFT JOIN audit_chains c ON c.organization_id = o.id`,
    { organizationId },
  );
  const [{ position, hash, events, placeless }] = rows;
  return { head: { position: Number(position), hash }, events: Number(events), placeless };
}

/**
 * Follows a chain from a link on, for at most so many events: `broken` is the first place whose event
 * isn't there, or isn't what its hash says of it and of the one before.
 */
export async function followChain(
  db: Db,
  organizationId: string,
  from: Link,
  limit: number,
): Promise<{ broken: number | null; last: Link | undefined }> {
  const { rows } = await db.raw(
    `WITH batch AS (
        SELECT (e).position, (e).hash, e AS event,
          lag((e).position, 1, :position::int8) OVER places AS place_before,
          lag((e).hash, 1, :hash::bytea) OVER places AS hash_before
        FROM (SELECT e FROM audit_events e
          WHERE e.organization_id = :organizationId AND e.position > :position::int8
          ORDER BY e.position LIMIT :limit) rows
        WINDOW places AS (ORDER BY (e).position)
      )
      SELECT (SELECT min(place_before + 1) FROM batch WHERE position <> place_before + 1
          OR hash IS DISTINCT FROM audit_event_hash(event, hash_before)) AS broken,
        last.position, last.hash
      FROM (SELECT position, hash FROM batch ORDER BY position DESC LIMIT 1) last`,
    { organizationId, position: from.position, hash: from.hash, limit },
  );
  const [row] = rows;
  if (row === undefined) return { broken: null, last: undefined };
  const broken = row.broken === null ? null : Number(row.broken);
  return { broken, last: { position: Number(row.position), hash: row.hash } };
}
