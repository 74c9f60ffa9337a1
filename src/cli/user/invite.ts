import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import { type InvitationResult, inviteUser } from '../../registration/invite-user.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { span } from '../terminal/table.ts';
import { mailTools } from './mail-tools.ts';

/** `plinto user invite`. */
export function inviteCommand(group: Command): void {
  group
    .command('invite')
    .description('make an account for somebody and mail them a link to take it over')
    .requiredOption('--email <address>', 'where the invitation goes')
    .option('--name <name>', 'full name')
    .option('--given-name <name>', 'given name')
    .option('--family-name <name>', 'family name')
    .option('--locale <tag>', 'language of the mail, such as en or de')
    .option('--app <client>', 'client id of the app they go on to')
    .option('--json', 'print JSON')
    .action(onDatabase(invite));
}

type InviteOptions = {
  email: string;
  name?: string;
  givenName?: string;
  familyName?: string;
  locale?: string;
  app?: string;
};

async function invite(session: Session, options: InviteOptions): Promise<Answer> {
  const { app: clientId, ...invitation } = options;
  const parts = { ...mailTools(session), signUp: session.config.signUp };
  const result = await transaction(session.db, (trx) =>
    inviteUser(trx, parts, session.origin, { ...invitation, clientId }),
  );
  if (!result.ok) throw new Error(REFUSALS[result.reason]);
  const { user, url, expiresIn, mailed } = result;
  const how = mailed
    ? [`An invitation is on its way to ${user.email}; it works for ${span(expiresIn)}.`]
    : [
        `Mail is off, so give ${user.email} this link yourself; it works for ${span(expiresIn)}:`,
        url,
      ];
  return {
    // Mailed, the link is the person's secret.
    value: { id: user.id, email: user.email, expires_in: expiresIn, link: mailed ? null : url },
    lines: how,
  };
}

type Refusal = Extract<InvitationResult, { ok: false }>['reason'];

const REFUSALS: Record<Refusal, string> = {
  closed: 'nobody can join while SIGN_UP is closed: set it to `invitation`, or `user create` them',
  email_invalid: 'this is not one plain email address: check --email',
  email_taken: 'somebody has this email address and an account already: see `plinto user list`',
  client_unknown: 'there is no such app: `plinto client list` shows what there is',
};
