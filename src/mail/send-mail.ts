import { createHash } from 'node:crypto';
import type { DerivedKey } from '../crypto/keyring.ts';
import { open } from '../crypto/secret-box.ts';
import type { JobPayloads, QueuedJob } from '../jobs/tasks.ts';
import type { Composer } from './compose.ts';
import type { Mail, MailTemplate } from './mail.ts';
import { type Envelope, MailRefused, type MailTransport } from './transport.ts';

export type MailSender = {
  boxKeys: readonly DerivedKey[];
  composer: Composer;
  /** Undefined where mail is off: what was queued before then is dropped. */
  deliver: MailTransport['send'] | undefined;
  now: () => Date;
  /** Seconds that codes and links work. */
  codeTtl: number;
  /** The one form of an address that is a single recipient; undefined when it has none. */
  canonicalEmail: (address: string) => string | undefined;
  /** Told of what can't be delivered and isn't tried again. */
  onRefused: (mail: Mail, status: number) => Promise<void>;
};

/** Mails of a code or link that works no longer than it took to reach the server: better none. */
const SHORT_LIVED: ReadonlySet<MailTemplate> = new Set([
  'sign-up-code',
  'sign-in-code',
  'second-factor-code',
  'reset-password',
  'change-email-code',
  'recover-factors-code',
]);

/** Status that stands for an address nothing was tried with (RFC 5321 §4.2.3). */
const NO_SUCH_MAILBOX = 553;

/**
 * The job that sends a queued mail.
 *
 * @throws when it should be tried again: the server was away, or said so.
 */
export function createSendMail(
  sender: MailSender,
): (payload: JobPayloads['send-mail'], queued: QueuedJob) => Promise<void> {
  return async ({ sealed }, { job }) => {
    const mail = JSON.parse(open(sender.boxKeys, 'mail', sealed)) as Mail;
    const { deliver, composer } = sender;
    const { to } = mail;
    if (to === undefined || deliver === undefined) return;
    const age = (sender.now().getTime() - job.created_at.getTime()) / 1000;
    if (SHORT_LIVED.has(mail.template) && age > sender.codeTtl) return;
    // Anything else would be taken apart by the library, and could name a second recipient.
    if (sender.canonicalEmail(to) !== to) return sender.onRefused(mail, NO_SUCH_MAILBOX);
    const envelope: Envelope = { ...composer.compose(mail), to, messageId: messageIdOf(sealed) };
    try {
      await deliver(envelope);
    } catch (error) {
      if (!(error instanceof MailRefused)) throw error;
      await sender.onRefused(mail, error.status);
    }
  };
}

/** The same each time a mail is tried, so that one whose answer got lost is known when it comes again. */
function messageIdOf(sealed: string): string {
  return createHash('sha256').update(sealed).digest('hex').slice(0, 32);
}
