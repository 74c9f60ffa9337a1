import { type Command, Option } from 'commander';
import { validate as isUuid } from 'uuid';
import { csvLine } from '../../account/activity/csv.ts';
import { listUserEvents, type StoredEvent } from '../../audit/store.ts';
import type { Db } from '../../deps.ts';
import { deviceName } from '../../devices/describe-device.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { collect, listAnswer, type Page, pageOf, pagingOptions } from '../terminal/paging.ts';
import { getUser, WHO } from './named-user.ts';

/** Events read at a time for a file. */
const BATCH = 500;

/** `plinto user activity`. */
export function activityCommand(group: Command): void {
  pagingOptions(group.command('activity'))
    .description('show what happened with an account and who did it, the latest first')
    .argument('<user>', WHO)
    .option(
      '--type <type>',
      'only such events, as in sign_in or password.set; may be given several times',
      collect,
    )
    .option('--json', 'print JSON')
    .addOption(new Option('--csv', 'print all of it as CSV').conflicts('json'))
    .action(onDatabase(activity));
}

async function activity(
  { db }: Session,
  who: string,
  options: Page & { type?: string[]; csv?: true },
): Promise<Answer> {
  // The log outlives whom it tells of: the id is enough.
  const userId = isUuid(who) ? who : (await getUser(db, who)).id;
  const { type: types, after } = options;
  if (after !== undefined && !isUuid(after)) {
    throw new Error(`--after ${after} is no id: use the one that the page before says`);
  }
  if (options.csv) return csvAnswer(db, userId, types);
  const list = (page: Page) =>
    listUserEvents(db, userId, { types, before: page.after, limit: page.limit });
  const page = await pageOf(options, list, ({ id }) => id);
  const columns = ['at', 'type', 'actor', 'client', 'ip', 'device', 'data'];
  const nothing = `Nothing of this kind is known of ${who}.`;
  return listAnswer({ ...page, items: page.items.map(describe) }, columns, nothing);
}

function describe(event: StoredEvent) {
  const { id, at, type, actor, client_id: client, ip, user_agent, request_id, data } = event;
  const device = deviceName(user_agent) || null;
  return { id, at, type, actor, client, ip, device, user_agent, request_id, data };
}

async function csvAnswer(db: Db, userId: string, types: string[] | undefined): Promise<Answer> {
  const head = ['id', 'at', 'type', 'actor', 'client', 'ip', 'user_agent', 'request_id', 'data'];
  const lines = [csvLine(head)];
  let before: string | undefined;
  for (;;) {
    const events = await listUserEvents(db, userId, { types, before, limit: BATCH });
    lines.push(...events.map(csvOf));
    if (events.length < BATCH) break;
    before = events.at(-1)?.id;
  }
  return { value: null, lines: lines.map((line) => line.trimEnd()) };
}

function csvOf(event: StoredEvent): string {
  const { id, at, type, actor, client, ip, user_agent, request_id, data } = describe(event);
  const cells = [id, at.toISOString(), type, actor, client, ip, user_agent, request_id];
  return csvLine([...cells, JSON.stringify(data)]);
}
