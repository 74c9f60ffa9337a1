import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import { type ResetRequirementResult, requireReset } from '../../recovery/require-reset.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { span } from '../terminal/table.ts';
import { mailTools } from './mail-tools.ts';
import { getUser, nameOf, WHO } from './named-user.ts';

/** `plinto user reset-password`. */
export function resetPasswordCommand(group: Command): void {
  group
    .command('reset-password')
    .description('end a password and all it signed in; mail the user a link to choose another')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(resetPassword));
}

async function resetPassword(session: Session, who: string): Promise<Answer> {
  const user = await getUser(session.db, who);
  const result = await transaction(session.db, (trx) =>
    requireReset(trx, mailTools(session), session.origin, user),
  );
  if (!result.ok) throw new Error(REFUSALS[result.reason](nameOf(user)));
  const { email, expiresIn } = result;
  return {
    value: { id: user.id, email, expires_in: expiresIn },
    lines: [
      `The password of ${nameOf(user)} no longer works, and they are signed out everywhere.`,
      `A link to choose another is on its way to ${email}; it works for ${span(expiresIn)}.`,
    ],
  };
}

type Refusal = Extract<ResetRequirementResult, { ok: false }>['reason'];

const REFUSALS: Record<Refusal, (name: string) => string> = {
  inactive: (name) => `${name} can't sign in, so the link would not work: activate them first`,
  no_email: (name) =>
    `${name} has no email address: use \`plinto user set-password --temporary\` instead`,
  no_mail: () => 'mail is off: set SMTP_URL, or use `plinto user set-password --temporary` instead',
};
