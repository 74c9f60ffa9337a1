import { SYSTEM } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Config } from '../config.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import type { I18n } from '../http/i18n.ts';
import type { Tasks } from '../jobs/tasks.ts';
import { createComposer } from '../mail/compose.ts';
import { createMailer, type Mailer } from '../mail/mail.ts';
import { createSendMail } from '../mail/send-mail.ts';
import { insertCaughtMessage } from '../mail/store.ts';
import { createSmtpTransport, type MailTransport } from '../mail/transport.ts';
import { CODE_TTL } from '../one-time-codes/issue-code.ts';
import { createTexter, type Texter } from '../sms/sms.ts';
import { canonicalEmail } from '../users/identifiers.ts';

export type Messages = {
  mailer: Mailer;
  texter: Texter;
  tasks: Pick<Tasks, 'send-mail' | 'send-sms'>;
};

/** What queues and what sends mail and text messages. */
export function createMessages(parts: {
  deps: Deps;
  config: Config;
  keyring: Keyring;
  i18n: I18n;
  viewsDir: string;
}): Messages {
  const { deps, config, i18n, viewsDir } = parts;
  const { issuer, productName, catchMessages } = config;
  const boxKeys = parts.keyring.box;
  const composer = createComposer({ viewsDir, i18n, productName, issuer, codeTtl: CODE_TTL });
  return {
    mailer: createMailer({ enabled: config.mail.smtpUrl !== undefined || catchMessages, boxKeys }),
    texter: createTexter({
      enabled: config.sms.webhookUrl !== undefined || catchMessages,
      boxKeys,
    }),
    tasks: {
      'send-mail': createSendMail({
        boxKeys,
        composer,
        canonicalEmail,
        deliver: deliveryOf(deps, config),
        onRefused: ({ template, userId }, status) =>
          transaction(deps.db, (trx) =>
            record(trx, SYSTEM, {
              type: 'mail.refused',
              ...(userId === undefined ? {} : { userId }),
              data: { template, status },
            }),
          ),
      }),
      'send-sms': async () => {},
    },
  };
}

/** Where mails go: the SMTP server, else the mailbox of development, else nowhere. */
function deliveryOf(
  { db }: Deps,
  { mail, catchMessages }: Config,
): MailTransport['send'] | undefined {
  if (mail.smtpUrl !== undefined) {
    return createSmtpTransport({ url: mail.smtpUrl, from: mail.from }).send;
  }
  if (!catchMessages) return undefined;
  return ({ to, subject, text, html }) =>
    transaction(db, (trx) =>
      insertCaughtMessage(trx, { channel: 'mail', recipient: to, subject, text, html }),
    );
}
