import { createHash } from 'node:crypto';
import type { DerivedKey } from '../crypto/keyring.ts';
import { open } from '../crypto/secret-box.ts';
import type { I18n } from '../http/i18n.ts';
import { createWords } from '../http/words.ts';
import type { JobPayloads, QueuedJob } from '../jobs/tasks.ts';
import type { Sms } from './sms.ts';
import { SmsRefused, type Text } from './webhook.ts';

export type SmsSender = {
  boxKeys: readonly DerivedKey[];
  i18n: I18n;
  productName: string;
  /** Undefined where text messages are off: what was queued before then is dropped. */
  deliver: ((text: Text) => Promise<void>) | undefined;
  now: () => Date;
  /** Seconds that codes work; one that took longer isn't sent any more. */
  codeTtl: number;
  /** Told of what can't be delivered and isn't tried again. */
  onRefused: (sms: Sms, status: number) => Promise<void>;
};

/**
 * The job that sends a queued text message.
 *
 * @throws when it should be tried again.
 */
export function createSendSms(
  sender: SmsSender,
): (payload: JobPayloads['send-sms'], queued: QueuedJob) => Promise<void> {
  return async ({ sealed }, { job }) => {
    const sms = JSON.parse(open(sender.boxKeys, 'sms', sealed)) as Sms;
    const age = (sender.now().getTime() - job.created_at.getTime()) / 1000;
    if (sender.deliver === undefined || age > sender.codeTtl) return;
    try {
      await sender.deliver({ id: idOf(sealed), to: sms.to, text: composeSms(sender, sms) });
    } catch (error) {
      if (!(error instanceof SmsRefused)) throw error;
      await sender.onRefused(sms, error.status);
    }
  };
}

/** A message's one line, in the language nearest to the one asked for, else in English. */
function composeSms(
  { i18n, productName }: Pick<SmsSender, 'i18n' | 'productName'>,
  { template, locale, vars }: Pick<Sms, 'template' | 'locale' | 'vars'>,
): string {
  const words = createWords(i18n, i18n.choose(locale, undefined), productName);
  return words.t(`sms.${template}`, vars);
}

function idOf(sealed: string): string {
  return `sms_${createHash('sha256').update(sealed).digest('hex').slice(0, 32)}`;
}
