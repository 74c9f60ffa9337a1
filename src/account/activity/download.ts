import { Readable } from 'node:stream';
import { listUserEvents, type StoredEvent } from '../../audit/store.ts';
import type { Db } from '../../deps.ts';
import { describeDevice } from '../../devices/describe-device.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { csvLine } from './csv.ts';

/** Events read at a time: nobody's log is held in memory whole. */
const BATCH = 500;

/** All that happened with a person's account, as files. */
export function activityDownloads(account: Account, parts: AccountParts): void {
  const { db } = parts.deps;
  account.page('/activity.csv', {}, async (visit) =>
    sendFile(visit, 'activity.csv', csvOf(db, visit.user.id)),
  );
  account.page('/activity.json', {}, async (visit) =>
    sendFile(visit, 'activity.json', jsonListOf(eventsOf(db, visit.user.id))),
  );
}

/** Answers with a file, as its pieces come, of the type that its name says. */
export function sendFile({ ctx }: Visit, name: string, pieces: AsyncIterable<string>): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.attachment(name);
  ctx.body = Readable.from(pieces);
}

type ReadableEvent = {
  id: string;
  time: string;
  type: string;
  by: string;
  app: string | null;
  ip: string | null;
  userAgent: string | null;
  data: Record<string, unknown>;
};

/** A person's events as they may have them, the latest first: nothing in them is about others. */
export async function* eventsOf(db: Db, userId: string): AsyncGenerator<ReadableEvent> {
  let before: string | undefined;
  for (;;) {
    const events: StoredEvent[] = await listUserEvents(db, userId, { before, limit: BATCH });
    for (const event of events) {
      yield {
        id: event.id,
        time: event.at.toISOString(),
        type: event.type,
        by: whoDid(event, userId),
        app: event.client_id,
        ip: event.ip,
        userAgent: event.user_agent,
        data: event.data,
      };
    }
    if (events.length < BATCH) return;
    before = events.at(-1)?.id;
  }
}

/** A JSON array in pieces. */
export async function* jsonListOf(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const value of values) {
    yield separator + JSON.stringify(value);
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

async function* csvOf(db: Db, userId: string): AsyncGenerator<string> {
  yield csvLine(['time', 'type', 'by', 'app', 'ip', 'browser', 'system']);
  for await (const { time, type, by, app, ip, userAgent } of eventsOf(db, userId)) {
    const { browser, system } = describeDevice(userAgent);
    yield csvLine([time, type, by, app, ip, browser, system]);
  }
}

/** Who did it, if it wasn't the person; administrators have no name here. */
export function whoDid(
  { actor }: Pick<StoredEvent, 'actor'>,
  userId: string,
): 'you' | 'administrator' | 'system' | 'unknown' {
  if (actor === `user:${userId}`) return 'you';
  if (actor.startsWith('cli:') || actor.startsWith('user:')) return 'administrator';
  return actor === 'anonymous' ? 'unknown' : 'system';
}
