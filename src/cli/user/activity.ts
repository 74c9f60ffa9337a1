import type { Command } from 'commander';
import { validate as isUuid } from 'uuid';
import { listUserEvents } from '../../audit/store.ts';
import { type EventLogOptions, eventLogAnswer, eventLogOptions } from '../event-log.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { getUser, WHO } from './named-user.ts';

/** `plinto user activity`. */
export function activityCommand(group: Command): void {
  eventLogOptions(group.command('activity'))
    .description('show what happened with an account and who did it, the latest first')
    .argument('<user>', WHO)
    .action(onDatabase(activity));
}

async function activity({ db }: Session, who: string, options: EventLogOptions): Promise<Answer> {
  // The log outlives whom it tells of: the id is enough.
  const userId = isUuid(who) ? who : (await getUser(db, who)).id;
  const nothing = `Nothing of this kind is known of ${who}.`;
  return eventLogAnswer({ list: (page) => listUserEvents(db, userId, page), nothing }, options);
}
