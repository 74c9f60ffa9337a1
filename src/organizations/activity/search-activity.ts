import {
  type EventFilter,
  listOrganizationEvents,
  type OrganizationEventFilter,
} from '../../audit/store.ts';
import type { Db } from '../../deps.ts';
import { findUserByIdentifier } from '../../users/store.ts';
import { type Described, describeActivity } from './describe-activity.ts';
import { KINDS } from './kinds.ts';

/** Events read at a time: no log is held in memory whole. */
const BATCH = 500;

/** Nobody's: what no event was done by. */
const NOBODY = 'nobody';

/** Which events of an organization. */
export type ActivitySearch = Pick<EventFilter, 'from' | 'until'> & {
  /** One of {@link KINDS}. */
  kind?: string | undefined;
  /** Address or username of who did it, in canonical form. */
  person?: string | undefined;
};

/** What to look for in the log, once it is known who is meant. */
export type ActivityFilter = Omit<OrganizationEventFilter, 'limit'>;

/** Finds out who is meant; of whoever is nobody nothing is found, as of somebody who did nothing. */
export async function resolveSearch(
  db: Db,
  { kind, person, from, until }: ActivitySearch,
): Promise<ActivityFilter> {
  const filter = { types: kind === undefined ? undefined : KINDS[kind], from, until };
  if (person === undefined) return filter;
  const user = await findUserByIdentifier(db, person);
  return { ...filter, actor: user === undefined ? NOBODY : `user:${user.id}` };
}

/** All events of an organization that a filter lets through, the latest first, read in batches. */
export async function* allActivity(
  db: Db,
  organizationId: string,
  filter: ActivityFilter,
): AsyncGenerator<Described> {
  let before: string | undefined;
  for (;;) {
    const page = { ...filter, before, limit: BATCH };
    const events = await listOrganizationEvents(db, organizationId, page);
    yield* await describeActivity(db, organizationId, events);
    if (events.length < BATCH) return;
    before = events.at(-1)?.id;
  }
}
