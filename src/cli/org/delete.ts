import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import {
  requestOrganizationDeletion,
  restoreOrganization,
} from '../../organizations/deletion/request-deletion.ts';
import { findOrganization, lockOrganizationFor } from '../../organizations/store.ts';
import { onDatabase, type Session } from '../session.ts';
import { confirmByName } from '../terminal/confirm.ts';
import type { Answer } from '../terminal/output.ts';
import { mailTools } from '../user/mail-tools.ts';
import { answer, describe, getOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org delete` and `restore`. */
export function deletionCommands(group: Command): void {
  group
    .command('delete')
    .description('have an organization deleted once the days of grace are over; asks for its slug')
    .argument('<organization>', ORGANIZATION)
    .option('--now', 'at once, and for good', false)
    .option('--yes', "don't ask", false)
    .option('--json', 'print JSON')
    .action(onDatabase(remove));
  group
    .command('restore')
    .description('keep an organization whose deletion was asked for')
    .argument('<organization>', ORGANIZATION)
    .option('--json', 'print JSON')
    .action(onDatabase(restore));
}

async function remove(
  session: Session,
  name: string,
  { now, yes }: { now: boolean; yes: boolean },
): Promise<Answer> {
  const { db, config, origin } = session;
  const { id, slug } = await getOrganization(db, name);
  const days = now ? 0 : config.deletionGraceDays;
  if (!yes) {
    const when = days === 0 ? 'now' : `in ${days} days`;
    await confirmByName(`Type ${slug} to delete this organization ${when}: `, slug);
  }
  await transaction(db, async (trx) => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    const tools = ownerTools(session);
    if (organization) await requestOrganizationDeletion(trx, tools, origin, organization, days);
  });
  const left = await findOrganization(db, id);
  if (left === undefined) {
    return { value: { id, slug, delete_after: null }, lines: [`Deleted ${slug}.`] };
  }
  const day = left.delete_after?.toISOString().slice(0, 10);
  return {
    value: describe(left),
    lines: [
      `Nobody signs in to ${slug} any more, and it is deleted on ${day}.`,
      'An owner, or `plinto org restore`, keeps it until then.',
    ],
  };
}

async function restore(session: Session, name: string): Promise<Answer> {
  const { db, origin } = session;
  const { id, slug } = await getOrganization(db, name);
  const kept = await transaction(db, async (trx) => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    return organization && restoreOrganization(trx, ownerTools(session), origin, organization);
  });
  const line = kept ? `${slug} stays.` : `Nobody asked for ${slug} to be deleted.`;
  return answer(await getOrganization(db, id), line);
}

/** How owners are told of what commands do. */
export function ownerTools(session: Session) {
  const { mailer, issuer } = mailTools(session);
  return { mailer, issuer, locale: 'en' };
}
