import type { Trx } from '../deps.ts';
import type { Mail, Mailer } from '../mail/mail.ts';
import { listOwners, type Owner } from './ownership/store.ts';

/** How owners are told what becomes of their organization. */
export type OwnerTools = {
  mailer: Mailer;
  issuer: string;
  /** The language of mails to those who set none. */
  locale: string;
};

/** What owners are told. */
export type OwnerMessage = Mail extends infer M
  ? M extends Mail & { template: `organization-${string}` }
    ? Pick<M, 'template' | 'vars'>
    : never
  : never;

/** Mails each owner who has a verified address. */
export async function tellOwners(
  trx: Trx,
  tools: OwnerTools,
  organizationId: string,
  message: OwnerMessage,
): Promise<void> {
  for (const owner of await listOwners(trx, organizationId)) {
    await tellOwner(trx, tools, owner, message);
  }
}

/** Mails one of them. */
export async function tellOwner(
  trx: Trx,
  { mailer, locale }: OwnerTools,
  owner: Owner,
  message: OwnerMessage,
): Promise<void> {
  if (owner.email === null || owner.email_verified_at === null || !mailer.enabled) return;
  await mailer.queue(trx, {
    to: owner.email,
    locale: owner.locale ?? locale,
    zone: owner.zoneinfo ?? undefined,
    userId: owner.id,
    ...message,
  } as Mail);
}
