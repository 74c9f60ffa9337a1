import { type Command, Option } from 'commander';
import { validate as isUuid } from 'uuid';
import { listOrganizationEvents } from '../../audit/store.ts';
import { verifyChain } from '../../audit/verify-chain.ts';
import type { Db } from '../../deps.ts';
import { type EventLogOptions, eventLogAnswer, eventLogOptions } from '../event-log.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { getOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org activity`. */
export function activityCommand(group: Command): void {
  eventLogOptions(group.command('activity'))
    .description('show what happened in an organization and who did it, the latest first')
    .argument('<organization>', ORGANIZATION)
    .addOption(
      new Option(
        '--verify',
        'follow the hash chain of its events instead: was any changed, left out or put in?',
      ).conflicts('csv'),
    )
    .action(onDatabase(activity));
}

async function activity(
  { db }: Session,
  name: string,
  options: EventLogOptions & { verify?: true },
): Promise<Answer> {
  // The log outlives the organization: the id is enough.
  const id = isUuid(name) ? name : (await getOrganization(db, name)).id;
  if (options.verify) return verify(db, id, name);
  const nothing = `Nothing of this kind is known of ${name}.`;
  const list = (page: Parameters<typeof listOrganizationEvents>[2]) =>
    listOrganizationEvents(db, id, page);
  return eventLogAnswer({ list, aboutMany: true, nothing }, options);
}

/** @throws Error that says where the chain is broken. */
async function verify(db: Db, organizationId: string, name: string): Promise<Answer> {
  const verdict = await verifyChain(db, organizationId);
  if (verdict.ok) {
    const { events, head } = verdict;
    const lines = [`${events} events, chain intact`, ...(head === '' ? [] : [`head ${head}`])];
    return { value: { intact: true, events, head }, lines };
  }
  const where =
    'id' in verdict
      ? `the event ${verdict.id} has no place in it`
      : `event ${verdict.position} is the first that doesn't fit`;
  throw new Error(`the chain of ${name} is broken: ${where}`);
}
