import { listUserEvents, type StoredEvent } from '../../audit/store.ts';
import { findClientNames } from '../../clients/store.ts';
import { describeDevice } from '../../devices/describe-device.ts';
import { momentFormat, startOfDay } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { activityDownloads, whoDid } from './download.ts';

/** What a person can look for, and the first parts of the types of event that it stands for. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  sign_in: ['sign_in', 'session'],
  profile: ['user', 'profile', 'email', 'phone', 'mail', 'sms', 'setup'],
  password: ['password', 'code'],
  factors: ['factor', 'recovery_codes', 'recovery_code', 'passkey', 'device', 'mfa'],
  apps: ['consent', 'grant', 'refresh_token'],
};

/** Events on one page. */
const LIMIT = 25;

const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** What happened with a person's account. */
export function activityPages(account: Account, parts: AccountParts): void {
  activityDownloads(account, parts);
  account.page('/activity', {}, async (visit) => {
    const query = queryOf(visit);
    const page = await readPage(parts, visit, query);
    const events = await describeEvents(parts, visit, page.events);
    const link = (cursor: Record<string, string | undefined>) => linkTo(query, cursor);
    visit.show('account-activity', {
      kinds: Object.keys(KINDS),
      kind: query.kind,
      from: query.from,
      to: query.to,
      events,
      newer: page.newer && link({ after: page.events[0]?.id }),
      older: page.older && link({ before: page.events.at(-1)?.id }),
    });
  });
}

type Query = {
  kind: string | undefined;
  from: string | undefined;
  to: string | undefined;
  before: string | undefined;
  after: string | undefined;
};

/** What the address asks for; anything that makes no sense is as if it weren't there. */
function queryOf({ ctx, user }: Visit): Query {
  const one = (name: string): string => {
    const value = ctx.query[name];
    return typeof value === 'string' ? value : '';
  };
  const id = (name: string) => (ID.test(one(name)) ? one(name) : undefined);
  const day = (name: string) => (startOfDay(one(name), user) ? one(name) : undefined);
  const before = id('before');
  return {
    kind: Object.hasOwn(KINDS, one('kind')) ? one('kind') : undefined,
    from: day('from'),
    to: day('to'),
    before,
    after: before === undefined ? id('after') : undefined,
  };
}

async function readPage(parts: AccountParts, { user }: Visit, query: Query) {
  const { before, after } = query;
  const rows = await listUserEvents(parts.deps.db, user.id, {
    subjects: query.kind === undefined ? undefined : KINDS[query.kind],
    from: query.from === undefined ? undefined : startOfDay(query.from, user),
    until: query.to === undefined ? undefined : startOfDay(dayAfter(query.to), user),
    before,
    after,
    limit: LIMIT + 1,
  });
  const more = rows.length > LIMIT;
  return {
    events: after === undefined ? rows.slice(0, LIMIT) : rows.slice(-LIMIT),
    newer: rows.length > 0 && (after === undefined ? before !== undefined : more),
    older: after === undefined ? more : rows.length > 0,
  };
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

/** The address of another page of the same events; browsers add it to that of this one. */
function linkTo(query: Query, cursor: Record<string, string | undefined>): string {
  const params = new URLSearchParams();
  const { kind, from, to } = query;
  for (const [name, value] of Object.entries({ kind, from, to, ...cursor })) {
    if (value !== undefined) params.set(name, value);
  }
  return `?${params}`;
}

async function describeEvents(parts: AccountParts, { ctx, user }: Visit, events: StoredEvent[]) {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const ids = events.flatMap(({ client_id }) => client_id ?? []);
  const names = await findClientNames(parts.deps.db, ids);
  return events.map((event) => ({
    type: event.type,
    word: event.type.replaceAll('.', '_'),
    at: say(event.at),
    ...describeDevice(event.user_agent),
    ip: event.ip,
    by: whoDid(event, user.id),
    app:
      event.client_id === null || event.client_id === parts.clientId
        ? undefined
        : (names.get(event.client_id) ?? event.client_id),
  }));
}
