import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import { createOrganization } from '../../organizations/create-organization.ts';
import { countMembers, listOwners } from '../../organizations/ownership/store.ts';
import { listOrganizations, type Organization } from '../../organizations/store.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { listAnswer, type Page, pageOf, pagingOptions } from '../terminal/paging.ts';
import { details } from '../terminal/table.ts';
import { getUser, nameOf, WHO } from '../user/named-user.ts';
import { activityCommand } from './activity.ts';
import { deletionCommands } from './delete.ts';
import { domainCommands } from './domain.ts';
import { invitationCommands } from './invitation.ts';
import { inviteCommand } from './invite.ts';
import { memberCommands } from './member.ts';
import { answer, describe, getOrganization, ORGANIZATION } from './named-organization.ts';
import { transferCommand } from './transfer.ts';
import { explainProfile, updateCommand } from './update.ts';

/** Members are counted no further. */
const MOST = 1_000_000;

/** `plinto org …`: organizations and their members. */
export function orgCommands(group: Command): void {
  group
    .command('create')
    .description('create an organization')
    .requiredOption('--name <name>', 'name that people are shown')
    .option('--slug <slug>', 'short name, in addresses and for apps; made of the name unless given')
    .requiredOption('--owner <user>', `who owns it: ${WHO}`)
    .option('--json', 'print JSON')
    .action(onDatabase(create));
  pagingOptions(group.command('list'))
    .description('list organizations in order of slug')
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('show')
    .description('show an organization, who owns it, and how many members it has')
    .argument('<organization>', ORGANIZATION)
    .option('--json', 'print JSON')
    .action(onDatabase(show));
  updateCommand(group);
  deletionCommands(group);
  transferCommand(group);
  activityCommand(group);
  inviteCommand(group);
  invitationCommands(group.command('invitation').description('manage open invitations'));
  memberCommands(group.command('member').description('manage members of an organization'));
  domainCommands(group.command('domain').description('manage domains of an organization'));
}

type CreateOptions = { name: string; slug?: string; owner: string };

async function create({ db, origin }: Session, options: CreateOptions): Promise<Answer> {
  const owner = await getUser(db, options.owner);
  const made = await transaction(db, (trx) =>
    createOrganization(trx, origin, {
      name: options.name,
      slug: options.slug?.trim().toLowerCase(),
      ownerId: owner.id,
    }),
  );
  if (!made.ok) throw new Error(explainProfile(made.reason, nameOf(owner)));
  const { organization } = made;
  return answer(organization, `Created the organization ${organization.slug}.`);
}

async function list({ db }: Session, options: Page): Promise<Answer> {
  const slugOf = ({ slug }: Organization) => slug;
  const page = await pageOf(options, (p) => listOrganizations(db, p), slugOf);
  const columns = ['slug', 'name', 'id', 'mfa', 'created_at', 'delete_after'];
  const items = page.items.map(describe);
  return listAnswer({ ...page, items }, columns, 'There are no organizations.');
}

async function show({ db }: Session, name: string): Promise<Answer> {
  const organization = await getOrganization(db, name);
  const { id } = organization;
  const value = {
    ...describe(organization),
    members: await countMembers(db, id, MOST),
    owners: (await listOwners(db, id)).map((owner) => owner.email ?? owner.id),
  };
  return { value, lines: details(value) };
}
