import { type Command, Option } from 'commander';
import { transaction } from '../../../db/pool.ts';
import { RESETTABLE, type Resettable, resetMfa } from '../../../recovery/reset-mfa.ts';
import { onDatabase, type Session } from '../../session.ts';
import type { Answer } from '../../terminal/output.ts';
import { mailTools } from '../mail-tools.ts';
import { getUser, nameOf, WHO } from '../named-user.ts';

/** `plinto user reset-mfa`. */
export function resetMfaCommand(group: Command): void {
  group
    .command('reset-mfa')
    .description('take second factors away from a user who lost them, and sign them out everywhere')
    .argument('<user>', WHO)
    .addOption(
      new Option('--factor <factor>', 'only this one; all without').choices([...RESETTABLE]),
    )
    .option('--json', 'print JSON')
    .action(onDatabase(reset));
}

async function reset(
  session: Session,
  who: string,
  { factor }: { factor?: Resettable },
): Promise<Answer> {
  const user = await getUser(session.db, who);
  const name = nameOf(user);
  const tools = mailTools(session);
  const which = factor === undefined ? RESETTABLE : [factor];
  const factors = await transaction(session.db, (trx) =>
    resetMfa(trx, tools, session.origin, user, which),
  );
  const value = { id: user.id, reset: factors };
  if (factors.length === 0) {
    const what = factor ?? 'second factor';
    return { value, lines: [`${name} has no ${what}: nothing was changed.`] };
  }
  const told =
    user.email !== null && tools.mailer.enabled
      ? `A mail tells them, at ${user.email}.`
      : 'No mail tells them: do so yourself.';
  return {
    value,
    lines: [
      `Took away from ${name}: ${factors.join(', ')}. They are signed out everywhere.`,
      'Their password works as before: reset it too if somebody else may know it.',
      told,
    ],
  };
}
