import type { Knex } from 'knex';
import type { Db, Trx } from '../deps.ts';

export type AuditRow = {
  id: string;
  type: string;
  actor: string;
  user_id: string | null;
  client_id: string | null;
  organization_id: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  data: string;
};

/** Appends a row to the audit log. */
export async function insertAuditEvent(trx: Trx, row: AuditRow): Promise<void> {
  await trx('audit_events').insert(row);
}

/** An event of the log, as it is read. */
export type StoredEvent = Omit<AuditRow, 'data'> & { at: Date; data: Record<string, unknown> };

/** Which events; ids are in order of time. */
export type EventFilter = {
  /** First parts of types: `sign_in` for `sign_in.succeeded` and the like. */
  subjects?: readonly string[] | undefined;
  /** Whole types, or their first parts. */
  types?: readonly string[] | undefined;
  from?: Date | undefined;
  /** Not included. */
  until?: Date | undefined;
  before?: string | undefined;
  /** The events right after this one, instead of the latest. */
  after?: string | undefined;
  limit: number;
};

/** A page of the events that concern a person, the latest first. */
export async function listUserEvents(
  db: Db,
  userId: string,
  filter: EventFilter,
): Promise<StoredEvent[]> {
  return listPage(db('audit_events').where({ user_id: userId }), filter);
}

/** A page of the events of an organization, the latest first. */
export async function listOrganizationEvents(
  db: Db,
  organizationId: string,
  { actor, ...filter }: OrganizationEventFilter,
): Promise<StoredEvent[]> {
  const query = db('audit_events').where({ organization_id: organizationId });
  if (actor !== undefined) query.where({ actor });
  return listPage(query, filter);
}

/** Which events of an organization. */
export type OrganizationEventFilter = EventFilter & {
  /** Who did it, as {@link AuditRow} has it. */
  actor?: string | undefined;
};

async function listPage(query: Knex.QueryBuilder, filter: EventFilter): Promise<StoredEvent[]> {
  const { subjects, types, from, until, before, after, limit } = filter;
  query.limit(limit);
  if (subjects !== undefined) query.whereRaw(`split_part(type, '.', 1) = ANY (?)`, [[...subjects]]);
  if (types !== undefined) {
    query.whereRaw(`(type = ANY (:types) OR split_part(type, '.', 1) = ANY (:types))`, {
      types: [...types],
    });
  }
  if (from !== undefined) query.where('at', '>=', from);
  if (until !== undefined) query.where('at', '<', until);
  if (before !== undefined) query.where('id', '<', before);
  if (after === undefined) return query.orderBy('id', 'desc');
  return (await query.where('id', '>', after).orderBy('id')).reverse();
}
