import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import type { Mail, Mailer } from '../mail/mail.ts';
import type { User } from '../users/store.ts';
import type { FactorName } from './acr.ts';

/** What became of a person's factors, as they are told. */
export type FactorNotice =
  | { kind: 'added' | 'removed'; factor: FactorName }
  /** `left` is how many codes still work. */
  | { kind: 'recovery-code-used'; left: number }
  | { kind: 'recovery-codes-created' }
  /** It was refused as a copy; `name` is what the person called it. */
  | { kind: 'passkey-suspicious'; name: string }
  /** All were taken away: by an administrator, or by who lost them and waited for it. */
  | { kind: 'reset' | 'recovered' }
  /** Who was to get in without them doesn't. */
  | { kind: 'recovery-cancelled' };

/** So many recovery codes or fewer: the mail says to make new ones. */
const FEW = 2;

/**
 * Tells a person by mail what became of their factors, in the transaction of the change. Who has no
 * address isn't told, nor anybody where no mail can be sent.
 *
 * @param locale language of mails to a person who set none.
 */
export async function tellFactorChange(
  trx: Trx,
  tools: { mailer: Mailer; issuer: string },
  user: User,
  notice: FactorNotice,
  locale: string,
): Promise<void> {
  if (user.email === null || !tools.mailer.enabled) return;
  await tools.mailer.queue(trx, {
    ...wordsOf(notice, `${tools.issuer}/account/password`),
    to: user.email,
    locale: user.locale ?? locale,
    userId: user.id,
  } as Mail);
}

/** Records that a person turned a factor on or off, and tells them by mail. */
export async function recordFactorChange(
  trx: Trx,
  tools: { mailer: Mailer; issuer: string },
  { user, origin, locale }: { user: User; origin: Origin; locale: string },
  change: { kind: 'added' | 'removed'; factor: FactorName },
): Promise<void> {
  const { kind, factor } = change;
  await record(trx, origin, { type: `factor.${kind}`, userId: user.id, data: { factor } });
  await tellFactorChange(trx, tools, user, change, locale);
}

type Words<M = Mail> = M extends Mail ? Pick<M, 'template' | 'vars'> : never;

function wordsOf(notice: FactorNotice, url: string): Words {
  switch (notice.kind) {
    case 'added':
    case 'removed':
      return { template: `factor-${notice.kind}`, vars: { factor: notice.factor, url } };
    case 'recovery-code-used': {
      const template = notice.left > FEW ? 'recovery-code-used' : 'recovery-codes-few';
      return { template, vars: { left: String(notice.left), url } };
    }
    case 'recovery-codes-created':
      return { template: 'recovery-codes-created', vars: { url } };
    case 'passkey-suspicious':
      return { template: 'passkey-suspicious', vars: { passkey: notice.name, url } };
    case 'reset':
    case 'recovered':
    case 'recovery-cancelled':
      return { template: `mfa-${notice.kind}`, vars: { url } };
  }
}
