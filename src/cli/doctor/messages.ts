import type { Config } from '../../config.ts';
import type { Db } from '../../deps.ts';
import { createSmtpTransport } from '../../mail/transport.ts';
import { bad, type Check, ok, warn } from './check.ts';
import { countRefusedMessages } from './store.ts';

/** Milliseconds the mail server has for each step. */
const TIMEOUT = 5000;

/** Days that refusals are counted over. */
const DAYS = 7;

/** Whether mail can be sent: by asking the server, without sending any. */
export async function mailCheck({ mail, catchMessages, issuer }: Config): Promise<Check> {
  const name = 'mail';
  const { smtpUrl: url, from } = mail;
  if (url === undefined) {
    return catchMessages
      ? ok(name, `is kept and shown at ${issuer}/dev/mail`)
      : warn(name, 'is off: nobody can sign up, be invited or reset a password', 'set SMTP_URL');
  }
  const { host } = new URL(url);
  try {
    await createSmtpTransport({ url, from, timeout: TIMEOUT }).verify();
    return ok(name, `${host} takes it, from ${from}`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'EAUTH'
      ? bad(name, `${host} refuses the login: ${message}`, 'correct name and password in SMTP_URL')
      : bad(
          name,
          `${host} can't be used: ${message}`,
          'check SMTP_URL, and that it can be reached',
        );
  }
}

/** Mails and text messages that were refused for good lately. */
export async function refusedCheck(db: Db): Promise<Check> {
  const name = 'messages';
  const { count, templates } = await countRefusedMessages(db, DAYS);
  if (count === 0) return ok(name, `none was refused in ${DAYS} days`);
  const message = `${count} refused for good in ${DAYS} days: ${templates}`;
  return warn(name, message, 'see mail.refused and sms.refused in audit_events');
}
