import type { DerivedKey } from '../crypto/keyring.ts';
import { seal } from '../crypto/secret-box.ts';
import type { Trx } from '../deps.ts';
import { addJob } from '../jobs/store.ts';

/** Every text message there is, and what it is told; URLs start with the configured issuer. */
export type SmsTemplates = {
  code: { code: string };
  /** Somebody says they lost their second factors; the link cancels their getting in without. */
  recovery: { url: string };
};

export type Sms = {
  [T in keyof SmsTemplates]: { template: T; vars: SmsTemplates[T] };
}[keyof SmsTemplates] & {
  /** E.164. */
  to: string;
  locale: string;
  userId?: string;
};

export type Texter = {
  /** False where no message can be sent: pages then don't offer what needs it. */
  enabled: boolean;
  /** Queues a message in the transaction of the change it tells of. */
  queue: (trx: Trx, sms: Sms) => Promise<void>;
};

/** Queues text messages, sealed until they are sent. */
export function createTexter(options: {
  enabled: boolean;
  boxKeys: readonly DerivedKey[];
}): Texter {
  return {
    enabled: options.enabled,
    queue: (trx, sms) =>
      addJob(trx, 'send-sms', { sealed: seal(options.boxKeys, 'sms', JSON.stringify(sms)) }),
  };
}
