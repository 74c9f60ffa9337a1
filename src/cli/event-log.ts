import { type Command, Option } from 'commander';
import { csvLine } from '../account/activity/csv.ts';
import type { StoredEvent } from '../audit/store.ts';
import { deviceName } from '../devices/describe-device.ts';
import type { Answer } from './terminal/output.ts';
import {
  checkAfterId,
  collect,
  listAnswer,
  type Page,
  pageOf,
  pagingOptions,
} from './terminal/paging.ts';

/** Events read at a time for a file. */
const BATCH = 500;

export type EventLogOptions = Page & { type?: string[]; csv?: true };

/** A log, and how it is shown. */
export type EventLog = {
  list: (page: {
    types: string[] | undefined;
    before: string | undefined;
    limit: number;
  }) => Promise<StoredEvent[]>;
  /** Whom each event is about is shown too: not all of them are about the same person. */
  aboutMany?: boolean;
  /** What is said where there is nothing. */
  nothing: string;
};

/** Adds the options of a command that shows a log. */
export function eventLogOptions(command: Command): Command {
  return pagingOptions(command)
    .option(
      '--type <type>',
      'only such events, as in sign_in or password.set; may be given several times',
      collect,
    )
    .option('--json', 'print JSON')
    .addOption(new Option('--csv', 'print all of it as CSV').conflicts('json'));
}

/** A page of a log as a table or JSON, or all of it as CSV, the latest first. */
export async function eventLogAnswer(log: EventLog, options: EventLogOptions): Promise<Answer> {
  const { type: types } = options;
  checkAfterId(options);
  if (options.csv) return csvAnswer(log, types);
  const list = (page: Page) => log.list({ types, before: page.after, limit: page.limit });
  const page = await pageOf(options, list, ({ id }) => id);
  const items = page.items.map((event) => describe(log, event));
  const who = log.aboutMany ? ['actor', 'user'] : ['actor'];
  const columns = ['at', 'type', ...who, 'client', 'ip', 'device', 'data'];
  return listAnswer({ ...page, items }, columns, log.nothing);
}

function describe({ aboutMany }: EventLog, event: StoredEvent) {
  const { id, at, type, actor, client_id: client, ip, user_agent, request_id, data } = event;
  const device = deviceName(user_agent) || null;
  const about = aboutMany ? { user: event.user_id } : {};
  return { id, at, type, actor, ...about, client, ip, device, user_agent, request_id, data };
}

async function csvAnswer(log: EventLog, types: string[] | undefined): Promise<Answer> {
  const who = log.aboutMany ? ['actor', 'user'] : ['actor'];
  const head = ['id', 'at', 'type', ...who, 'client', 'ip', 'user_agent', 'request_id', 'data'];
  const lines = [csvLine(head)];
  let before: string | undefined;
  for (;;) {
    const events = await log.list({ types, before, limit: BATCH });
    for (const { device: _, ...event } of events.map((event) => describe(log, event))) {
      lines.push(
        csvLine(
          Object.values({ ...event, at: event.at.toISOString(), data: JSON.stringify(event.data) }),
        ),
      );
    }
    if (events.length < BATCH) break;
    before = events.at(-1)?.id;
  }
  return { value: null, lines: lines.map((line) => line.trimEnd()) };
}
