import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import { listOwners } from '../../organizations/ownership/store.ts';
import {
  type TransferResult,
  transferOwnership,
} from '../../organizations/ownership/transfer-ownership.ts';
import { lockOrganizationFor } from '../../organizations/store.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { getUser, nameOf, WHO } from '../user/named-user.ts';
import { ownerTools } from './delete.ts';
import { getActiveOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org transfer`. */
export function transferCommand(group: Command): void {
  group
    .command('transfer')
    .description('make a member the owner in place of another, who becomes an admin')
    .argument('<organization>', ORGANIZATION)
    .argument('<user>', `the member who owns it from now on: ${WHO}`)
    .option('--from <user>', 'the owner before, where there are several')
    .option('--json', 'print JSON')
    .action(onDatabase(transfer));
}

async function transfer(
  session: Session,
  name: string,
  who: string,
  { from }: { from?: string },
): Promise<Answer> {
  const { db, origin } = session;
  const { id, slug } = await getActiveOrganization(db, name);
  const to = await getUser(db, who);
  const before = from === undefined ? await onlyOwner(session, id, slug) : await getUser(db, from);
  const result = await transaction(db, async (trx): Promise<TransferResult> => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    if (organization === undefined) throw new Error('it was deleted just now');
    const people = { from: before.id, to: to.id };
    return transferOwnership(trx, ownerTools(session), origin, organization, people);
  });
  if (!result.ok) throw new Error(explain(result.reason, nameOf(to), nameOf(before), slug));
  return {
    value: { id, slug, owner: to.id, previous_owner: before.id },
    lines: [`${nameOf(to)} owns ${slug} in place of ${nameOf(before)}, who is an admin now.`],
  };
}

async function onlyOwner({ db }: Session, id: string, slug: string) {
  const [owner, another] = await listOwners(db, id);
  if (owner === undefined) {
    throw new Error(`no owner of ${slug} is active: \`plinto org member set-roles\` gives it one`);
  }
  if (another !== undefined) throw new Error(`${slug} has several owners: say which with --from`);
  return getUser(db, owner.id);
}

function explain(
  reason: Extract<TransferResult, { ok: false }>['reason'],
  to: string,
  from: string,
  slug: string,
): string {
  switch (reason) {
    case 'not_owner':
      return `${from} is no active owner of ${slug}: \`plinto org show\` says who is`;
    case 'same_person':
      return `${to} owns ${slug} already`;
    case 'member_unknown':
      return `${to} is no active member of ${slug}: \`plinto org member add\` them first`;
  }
}
