import type { DerivedKey } from '../crypto/keyring.ts';
import { seal } from '../crypto/secret-box.ts';
import type { Trx } from '../deps.ts';
import { addJob } from '../jobs/store.ts';

/** Every mail there is, and what it is told; URLs start with the configured issuer. */
export type MailTemplates = {
  /** The code and link that verify the address of somebody who signs up. */
  'sign-up-code': { code: string; url: string };
  /** Somebody signed up with an address that has an account. */
  'sign-up-existing': { url: string };
  /** `days` is how long the link works, in digits. */
  invitation: { url: string; days: string };
  'sign-in-code': { code: string; url: string };
  /** The code that is a second factor. */
  'second-factor-code': { code: string };
  'reset-password': { url: string };
  /** An administrator took the password away; `days` as for an invitation. */
  'reset-required': { url: string; days: string };
  'password-changed': { url: string };
  'change-email-code': { code: string };
  /** To the address before; `email` is the new one, in part. */
  'email-changed': { email: string; url: string };
  /** `at` is a moment in ISO 8601; `place` may be empty. */
  'new-device': { device: string; place: string; at: string; url: string };
  /** `at` is when it takes place, in ISO 8601. */
  'deletion-requested': { at: string; url: string };
  'deletion-cancelled': { url: string };
  'account-deleted': Record<never, string>;
  /** `factor` is a key below `mail.factors`: its name in the language of the mail is told. */
  'factor-added': { factor: string; url: string };
  'factor-removed': { factor: string; url: string };
  /** `left` is how many codes still work, in digits. */
  'recovery-code-used': { left: string; url: string };
  'recovery-codes-few': { left: string; url: string };
  'recovery-codes-created': { url: string };
  /** `passkey` is what the person called it. */
  'passkey-suspicious': { passkey: string; url: string };
  /** An administrator removed factors. */
  'mfa-reset': { url: string };
  /** Somebody says they lost their factors; `at` is when they get in without, `url` cancels it. */
  'mfa-recovery-started': { at: string; url: string };
  'mfa-recovery-cancelled': { url: string };
  /** Somebody who waited for it got in without them. */
  'mfa-recovered': { url: string };
  'recover-factors-code': { code: string };
  /**
   * Somebody may join an organization; `inviter` is who says so, empty for the installation, `message`
   * what else they say, both in their own words; `days` as for an invitation.
   */
  'organization-invitation': {
    organization: string;
    inviter: string;
    message: string;
    url: string;
    days: string;
  };
  /** The DNS record of a proven domain was missing for a week: it is proven no longer. */
  'organization-domain-lost': { domain: string; organization: string; url: string };
  /** Somebody ended their membership; `organization` is its name. */
  'organization-removed': { organization: string; url: string };
  /** To its owners; `at` is when it takes place, in ISO 8601, and `url` is where it can be kept. */
  'organization-deletion-requested': { organization: string; at: string; url: string };
  'organization-deletion-cancelled': { organization: string; url: string };
  'organization-deleted': { organization: string };
  /** Somebody handed it over to them. */
  'organization-owner': { organization: string; url: string };
};

export type MailTemplate = keyof MailTemplates;

export type Mail = {
  [T in MailTemplate]: { template: T; vars: MailTemplates[T] };
}[MailTemplate] & {
  /** Canonical address. Undefined sends nothing, and takes as long as if it did (security 9). */
  to: string | undefined;
  /** The language it is written in, as a language tag. */
  locale: string;
  /** IANA name of the zone in which it tells times; UTC without. */
  zone?: string | undefined;
  userId?: string;
};

export type Mailer = {
  /** False where no mail can be sent: pages then don't offer what needs it. */
  enabled: boolean;
  /** Queues a mail in the transaction of the change it tells of: it is sent if that commits. */
  queue: (trx: Trx, mail: Mail) => Promise<void>;
};

/** Queues mails, sealed until they are sent. */
export function createMailer(options: {
  enabled: boolean;
  boxKeys: readonly DerivedKey[];
}): Mailer {
  return {
    enabled: options.enabled,
    queue: (trx, mail) =>
      addJob(trx, 'send-mail', { sealed: seal(options.boxKeys, 'mail', JSON.stringify(mail)) }),
  };
}
