import { createMailer, type Mailer } from '../../mail/mail.ts';
import type { CodeTools } from '../../one-time-codes/issue-code.ts';
import type { Session } from '../session.ts';

/** What mails with links in them are made from. */
export type MailTools = { codes: CodeTools; mailer: Mailer; issuer: string };

/** Mails that commands cause: queued with the change, and sent by the server that runs or will. */
export function mailTools({ config, runtime }: Session): MailTools {
  const { keyring, deps } = runtime;
  const enabled = config.mail.smtpUrl !== undefined || config.catchMessages;
  return {
    codes: { keys: keyring.codes, randomBytes: deps.randomBytes },
    mailer: createMailer({ enabled, boxKeys: keyring.box }),
    issuer: config.issuer,
  };
}
