import type Router from '@koa/router';
import { SYSTEM } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Config } from '../config.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import type { I18n } from '../http/i18n.ts';
import type { Renderer } from '../http/render.ts';
import type { Tasks } from '../jobs/tasks.ts';
import { createComposer } from '../mail/compose.ts';
import { devMailboxRoutes } from '../mail/dev-mailbox.ts';
import { createMailer, type Mail, type Mailer } from '../mail/mail.ts';
import { createSendMail } from '../mail/send-mail.ts';
import { insertCaughtMessage } from '../mail/store.ts';
import { createSmtpTransport, type MailTransport } from '../mail/transport.ts';
import { CODE_TTL } from '../one-time-codes/issue-code.ts';
import { createSendSms } from '../sms/send-sms.ts';
import { createTexter, type Sms, type Texter } from '../sms/sms.ts';
import { createSmsWebhook, type Text } from '../sms/webhook.ts';
import { canonicalEmail } from '../users/identifiers.ts';

export type Messages = {
  mailer: Mailer;
  texter: Texter;
  tasks: Pick<Tasks, 'send-mail' | 'send-sms'>;
  /** Pages of the mailbox of development, where there is one. */
  routers: (renderer: Renderer) => Router[];
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
  const report =
    (type: 'mail.refused' | 'sms.refused') =>
    ({ template, userId }: Mail | Sms, status: number): Promise<void> => {
      const about = userId === undefined ? {} : { userId };
      return transaction(deps.db, (trx) =>
        record(trx, SYSTEM, { type, ...about, data: { template, status } }),
      );
    };
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
        now: deps.now,
        codeTtl: CODE_TTL,
        canonicalEmail,
        deliver: deliveryOf(deps, config),
        onRefused: report('mail.refused'),
      }),
      'send-sms': createSendSms({
        boxKeys,
        i18n,
        productName,
        now: deps.now,
        codeTtl: CODE_TTL,
        deliver: smsDeliveryOf(deps, config),
        onRefused: report('sms.refused'),
      }),
    },
    routers: (renderer) =>
      catchMessages
        ? [devMailboxRoutes({ deps, renderer, composer, basePath: config.basePath, issuer })]
        : [],
  };
}

/** Where text messages go: the operator's gateway, else the mailbox of development, else nowhere. */
function smsDeliveryOf(
  { db, now }: Deps,
  { sms, catchMessages }: Config,
): ((text: Text) => Promise<void>) | undefined {
  const { webhookUrl: url, secret } = sms;
  // The operator chose the address, so it may be a private one.
  if (url !== undefined && secret !== undefined)
    return createSmsWebhook({ url, secret, fetch, now });
  if (!catchMessages) return undefined;
  return ({ to, text }) =>
    transaction(db, (trx) =>
      insertCaughtMessage(trx, { channel: 'sms', recipient: to, subject: null, text, html: null }),
    );
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
