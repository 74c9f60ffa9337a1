import type { Context } from 'koa';
import { record } from '../../audit/record.ts';
import { hashToken } from '../../crypto/token-hash.ts';
import type { Trx } from '../../deps.ts';
import { originOf } from '../../http/request-meta.ts';
import { reserve, takeBack } from '../../throttle/throttle.ts';
import { lockActiveUser, type User } from '../../users/store.ts';
import { type Asking, type LostFactorsParts, mayRecover } from './lost-factors.ts';
import { insertRecovery } from './store.ts';

/**
 * Begins the recovery of somebody whose password is proven, and tells them by mail and, where their
 * number is verified, by text message, with a link that cancels it.
 *
 * @returns seconds after which it can be asked for again, where it was too often; else nothing.
 */
export async function startRecovery(
  trx: Trx,
  parts: LostFactorsParts,
  { ctx, clientId, user: { id } }: Asking,
): Promise<number | undefined> {
  const user = await lockActiveUser(trx, id);
  if (user === undefined || !mayRecover(parts, user)) return undefined;
  const keys = [{ scope: 'message', id }] as const;
  const reservation = await reserve(trx, keys);
  if (!reservation.ok) return reservation.retryAfter;
  const token = parts.deps.randomBytes(32).toString('base64url');
  const hours = parts.recoveryDelayHours;
  const at = await insertRecovery(trx, { userId: id, tokenHash: hashToken(token), hours });
  if (at === undefined) {
    await takeBack(trx, keys);
    return undefined;
  }
  const data = { readyAt: at.toISOString() };
  const event = { type: 'mfa.recovery_started', userId: id, clientId, data } as const;
  await record(trx, originOf(ctx), event);
  await warn(trx, parts, ctx, user, { at, url: `${parts.issuer}/lost-factors/${token}` });
  return undefined;
}

async function warn(
  trx: Trx,
  { mailer, texter, renderer }: LostFactorsParts,
  ctx: Context,
  user: User,
  { at, url }: { at: Date; url: string },
): Promise<void> {
  const locale = user.locale ?? renderer.localeOf(ctx);
  const { id: userId, email, phone_number: phone } = user;
  await mailer.queue(trx, {
    template: 'mfa-recovery-started',
    vars: { at: at.toISOString(), url },
    to: email ?? undefined,
    zone: user.zoneinfo ?? undefined,
    locale,
    userId,
  });
  if (texter.enabled && phone !== null && user.phone_number_verified_at !== null) {
    await texter.queue(trx, { template: 'recovery', vars: { url }, to: phone, locale, userId });
  }
}
