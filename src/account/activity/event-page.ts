import type { EventFilter, StoredEvent } from '../../audit/store.ts';
import { isId } from '../../db/id.ts';
import { startOfDay } from '../../users/moments.ts';
import type { User } from '../../users/store.ts';

/** Events on one page. */
const LIMIT = 25;

/** Which events somebody looks for; days as HTML forms write them. */
export type EventQuery = {
  kind: string | undefined;
  from: string | undefined;
  to: string | undefined;
  before: string | undefined;
  after: string | undefined;
};

/** A page of a log, and what the ones next to it ask for. */
export type EventPage = {
  events: StoredEvent[];
  newer: { after: string } | undefined;
  older: { before: string } | undefined;
};

/** One parameter of an address or a form; '' for none, or many. */
export function parameter(params: Readonly<Record<string, unknown>>, name: string): string {
  const value = params[name];
  return typeof value === 'string' ? value : '';
}

/**
 * What an address or a form asks for; anything that makes no sense is as if it weren't there.
 *
 * @param kinds what can be looked for, by its name.
 */
export function readEventQuery(
  params: Readonly<Record<string, unknown>>,
  user: Pick<User, 'zoneinfo'>,
  kinds: Readonly<Record<string, unknown>>,
): EventQuery {
  const one = (name: string): string => parameter(params, name);
  const id = (name: string) => (isId(one(name)) ? one(name) : undefined);
  const day = (name: string) => (startOfDay(one(name), user) ? one(name) : undefined);
  const before = id('before');
  return {
    kind: Object.hasOwn(kinds, one('kind')) ? one('kind') : undefined,
    from: day('from'),
    to: day('to'),
    before,
    after: before === undefined ? id('after') : undefined,
  };
}

/** From the start of the first day to the end of the last, where the person is. */
export function periodOf(
  { from, to }: Pick<EventQuery, 'from' | 'to'>,
  user: Pick<User, 'zoneinfo'>,
): Pick<EventFilter, 'from' | 'until'> {
  return {
    from: from === undefined ? undefined : startOfDay(from, user),
    until: to === undefined ? undefined : startOfDay(dayAfter(to), user),
  };
}

/** The page that a query asks for, of what `list` finds. */
export async function readEventPage(
  { before, after }: Pick<EventQuery, 'before' | 'after'>,
  list: (page: Pick<EventFilter, 'before' | 'after' | 'limit'>) => Promise<StoredEvent[]>,
): Promise<EventPage> {
  const rows = await list({ before, after, limit: LIMIT + 1 });
  const more = rows.length > LIMIT;
  const events = after === undefined ? rows.slice(0, LIMIT) : rows.slice(-LIMIT);
  const newer = rows.length > 0 && (after === undefined ? before !== undefined : more);
  const older = after === undefined ? more : rows.length > 0;
  const [first, last] = [events[0], events.at(-1)];
  return {
    events,
    newer: newer && first ? { after: first.id } : undefined,
    older: older && last ? { before: last.id } : undefined,
  };
}

/** The address of another page of the same list; browsers add it to that of this one. */
export function linkTo(
  query: Readonly<Record<string, string | undefined>>,
  cursor: Readonly<Record<string, string | undefined>> | undefined,
): string | undefined {
  if (cursor === undefined) return undefined;
  const { before: _, after: __, ...kept } = query;
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...kept, ...cursor })) {
    if (value !== undefined) params.set(name, value);
  }
  return `?${params}`;
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
