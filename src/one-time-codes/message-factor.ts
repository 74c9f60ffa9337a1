import type { Origin } from '../audit/events.ts';
import type { Trx } from '../deps.ts';
import type { Mailer } from '../mail/mail.ts';
import { recordFactorChange } from '../mfa/notices.ts';
import { type MfaRules, usableFactors } from '../mfa/policy.ts';
import type { Texter } from '../sms/sms.ts';
import type { User } from '../users/store.ts';
import { insertMessageFactor, type MessageFactor, removeMessageFactor } from './store.ts';

export type Channel = MessageFactor['channel'];

export const CHANNELS: readonly Channel[] = ['sms', 'email'];

/** What messages are sent with, and what the installation allows. */
export type ChannelParts = { mfa: MfaRules; mailer: Mailer; texter: Texter };

/** Whether codes may and can be sent that way. */
export function isOffered({ mfa, mailer, texter }: ChannelParts, channel: Channel): boolean {
  return mfa.factors.includes(channel) && (channel === 'sms' ? texter : mailer).enabled;
}

/** Where a person's codes go: only what they have proven to read. */
export function addressOf(user: User, channel: Channel): string | undefined {
  const verified = channel === 'sms' ? user.phone_number_verified_at : user.email_verified_at;
  const address = channel === 'sms' ? user.phone_number : user.email;
  return (verified && address) ?? undefined;
}

/** Whether the person has a second factor that they would have to give instead. */
export function hasBetter({ mfa }: ChannelParts, user: User): boolean {
  return usableFactors(mfa, user).some((factor) => factor !== 'email');
}

/** What a change of factors is told with; `locale` is for people who set none. */
export type NoticeTools = { mailer: Mailer; issuer: string; locale: string };

/** Turns codes by message on for somebody whose row is held. */
export async function turnOnChannel(
  trx: Trx,
  tools: NoticeTools,
  origin: Origin,
  user: User,
  channel: Channel,
): Promise<void> {
  if (!(await insertMessageFactor(trx, user.id, channel))) return;
  const by = { user, origin, locale: tools.locale };
  await recordFactorChange(trx, tools, by, { kind: 'added', factor: channel });
}

/**
 * Turns codes by message off for somebody whose row is held; nothing happens where they are off.
 *
 * @param user as they are told: with the address of before, where that changes.
 */
export async function turnOffChannel(
  trx: Trx,
  tools: NoticeTools,
  origin: Origin,
  user: User,
  channel: Channel,
): Promise<void> {
  if (!(await removeMessageFactor(trx, user.id, channel))) return;
  const by = { user, origin, locale: tools.locale };
  await recordFactorChange(trx, tools, by, { kind: 'removed', factor: channel });
}
