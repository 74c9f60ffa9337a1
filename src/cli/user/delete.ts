import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import {
  cancelDeletion,
  type DeletionResult,
  type DeletionTools,
  requestDeletion,
} from '../../users/deletion.ts';
import { findUser } from '../../users/store.ts';
import { onDatabase, type Session } from '../session.ts';
import { confirmByName } from '../terminal/confirm.ts';
import type { Answer } from '../terminal/output.ts';
import { mailTools } from './mail-tools.ts';
import { answer, getUser, nameOf, WHO } from './named-user.ts';

/** `plinto user delete` and `keep`. */
export function deletionCommands(group: Command): void {
  group
    .command('delete')
    .description('have a user deleted once the days of grace are over; asks for their name')
    .argument('<user>', WHO)
    .option('--now', 'at once, and for good', false)
    .option('--yes', "don't ask", false)
    .option('--json', 'print JSON')
    .action(onDatabase(remove));
  group
    .command('keep')
    .description('keep a user whose deletion was asked for')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(keep));
}

async function remove(
  session: Session,
  who: string,
  { now, yes }: { now: boolean; yes: boolean },
): Promise<Answer> {
  const { db, config } = session;
  const user = await getUser(db, who);
  const name = nameOf(user);
  const days = now ? 0 : config.deletionGraceDays;
  if (!yes) {
    const when = days === 0 ? 'now' : `in ${days} days`;
    await confirmByName(`Type ${name} to delete this user ${when}: `, name);
  }
  const result = await transaction(db, (trx) =>
    requestDeletion(trx, deletionTools(session), session.origin, user.id, days),
  );
  if (!result.ok) throw new Error(explain(name, result));
  const left = await findUser(db, user.id);
  if (left === undefined) {
    return { value: { id: user.id, delete_after: null }, lines: [`Deleted ${name}.`] };
  }
  const day = left.delete_after?.toISOString().slice(0, 10);
  return {
    value: { id: user.id, delete_after: left.delete_after },
    lines: [
      `${name} is signed out everywhere, and deleted on ${day}.`,
      'They keep their account by signing in before; --now, or suspending them, rules that out.',
    ],
  };
}

function explain(name: string, refusal: Extract<DeletionResult, { ok: false }>): string {
  if (refusal.reason === 'last_administrator') {
    return `${name} is the last administrator: make another first, with \`plinto setup-link\` say`;
  }
  const slugs = refusal.organizations.map(({ slug }) => slug).join(', ');
  return `${name} alone owns ${slugs}: \`plinto org transfer\` or \`plinto org delete\` these first`;
}

async function keep(session: Session, who: string): Promise<Answer> {
  const { db, origin } = session;
  const user = await getUser(db, who);
  const kept = await transaction(db, (trx) =>
    cancelDeletion(trx, deletionTools(session), origin, user),
  );
  const line = kept
    ? `${nameOf(user)} keeps their account.`
    : `Nobody asked for ${nameOf(user)} to be deleted.`;
  return answer(await getUser(db, user.id), line);
}

function deletionTools(session: Session): DeletionTools {
  return { ...mailTools(session), locale: 'en' };
}
