import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Deps, Trx } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import { isStrongDevice } from '../devices/store.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { FactorSignIn, FactorStep } from '../mfa/factor.ts';
import { readDigits } from '../mfa/read-digits.ts';
import { triesKey } from '../mfa/tries.ts';
import { addressKey, reserve, type ThrottleKey, takeBack } from '../throttle/throttle.ts';
import { findActiveUser, lockActiveUser, type User } from '../users/store.ts';
import { type CodeTools, issueCode } from './issue-code.ts';
import {
  addressOf,
  type Channel,
  type ChannelParts,
  hasBetter,
  isOffered,
  turnOnChannel,
} from './message-factor.ts';
import { type CodeOutcome, findRequestedCode, isWaitedFor, redeemCode } from './redeem-code.ts';
import { noteMessageFactor } from './store.ts';

export type MessageCodeParts = ChannelParts & {
  deps: Deps;
  codes: CodeTools;
  devices: DeviceCookie;
  renderer: Pick<Renderer, 'localeOf'>;
  issuer: string;
  basePath: string;
  signIn: FactorSignIn;
};

export type KnownStep = FactorStep & { user: User };

const PURPOSE = 'second-factor';

/** Seconds in which a form that asks for the same again is the one that was sent already. */
const SAME_FORM = 5;

/** What is wrong, by the key of its words. */
export type CodeProblem = { error: string; retryAfter?: number };

/**
 * Where a code goes in this sign-in: undefined where none may be sent. Mail proves nothing more of who
 * came by mail; and who has another second factor doesn't turn this one on in passing.
 */
export function addresseeIn(
  parts: ChannelParts,
  { user, proven }: Pick<KnownStep, 'user' | 'proven'>,
  channel: Channel,
): string | undefined {
  if (!isOffered(parts, channel)) return undefined;
  if (channel === 'email' && proven.includes('email')) return undefined;
  if (!user.factors.includes(channel) && hasBetter(parts, user)) return undefined;
  return addressOf(user, channel);
}

/** Whether a code that was sent this way in this sign-in can still be typed. */
export async function isAwaited(
  { deps }: MessageCodeParts,
  uid: string,
  channel: Channel,
  address: string,
): Promise<boolean> {
  const code = await findRequestedCode(deps.db, PURPOSE, uid);
  if (code === undefined || !isWaitedFor(code)) return false;
  return code.data.channel === channel && code.data.address === address;
}

/** Sends a code. @returns why not, if it wasn't. */
export async function sendMessageCode(
  parts: MessageCodeParts,
  step: KnownStep,
  channel: Channel,
  address: string,
): Promise<CodeProblem | undefined> {
  const { ctx, uid, user, clientId } = step;
  const keys = await messageKeys(parts, step, channel, address);
  return transaction(parts.deps.db, async (trx) => {
    const reservation = await reserve(trx, keys);
    const before = await findRequestedCode(trx, PURPOSE, uid);
    const same = before?.data.channel === channel && before.data.address === address;
    if (same && !before.used && before.age < SAME_FORM) {
      if (reservation.ok) await takeBack(trx, keys);
      return undefined;
    }
    const origin = originOf(ctx);
    if (!reservation.ok) {
      const data = { purpose: PURPOSE, reason: 'throttled' };
      await record(trx, origin, { type: 'code.refused', userId: user.id, data });
      return { error: 'messages', retryAfter: reservation.retryAfter };
    }
    // As data, not as the code's own address: others may have the same number.
    const data = { channel, address };
    const { code } = await issueCode(trx, parts.codes, {
      purpose: PURPOSE,
      userId: user.id,
      request: uid,
      data,
    });
    await record(trx, origin, { type: 'sign_in.code_requested', userId: user.id, clientId });
    await queueMessage(parts, trx, step, { channel, address, code });
    return undefined;
  });
}

async function queueMessage(
  { mailer, texter, renderer }: MessageCodeParts,
  trx: Trx,
  { ctx, user }: KnownStep,
  { channel, address, code }: { channel: Channel; address: string; code: string },
): Promise<void> {
  const locale = user.locale ?? renderer.localeOf(ctx);
  const message = { to: address, locale, userId: user.id, vars: { code } };
  if (channel === 'sms') await texter.queue(trx, { ...message, template: 'code' });
  else await mailer.queue(trx, { ...message, template: 'second-factor-code' });
}

/**
 * Each message costs money or patience, so they are counted by account and by address. A browser in
 * which the person gave a second factor before has a count of its own: who only has the password keeps
 * nobody from getting a code.
 */
async function messageKeys(
  { deps, devices }: MessageCodeParts,
  { ctx, user }: KnownStep,
  channel: Channel,
  address: string,
): Promise<ThrottleKey[]> {
  const device = devices.read(ctx);
  const account = `${user.id} ${channel}`;
  if (device !== undefined && (await isStrongDevice(deps.db, device, user.id)))
    return [{ scope: 'message', id: `${account} ${device.toString('base64url')}` }];
  return [
    { scope: 'message', id: account },
    { scope: 'message', id: address.toLowerCase() },
    addressKey(ctx.ip),
  ];
}

/** Proves the person by the code that they typed. @returns why not, if it didn't. */
export async function proveByCode(
  parts: MessageCodeParts,
  step: KnownStep,
  channel: Channel,
  form: Record<string, string>,
): Promise<CodeProblem | undefined> {
  const { code = '', remember } = form;
  if (readDigits(code) === '') return { error: 'code_missing' };
  return transaction(parts.deps.db, async (trx) => {
    const { ctx, uid } = step;
    const enrolled = !step.user.factors.includes(channel);
    // Held where it is turned on, or the number could be removed at the same time.
    const find = enrolled ? lockActiveUser : findActiveUser;
    const device = parts.devices.read(ctx);
    const tries = await triesKey(trx, step.user.id, device);
    const typed = { purpose: PURPOSE, request: uid, code, tries } as const;
    // The code first, as a change of password does, or of the two neither would get on.
    const outcome = await redeemCode(trx, parts.codes.keys, typed);
    const user = await find(trx, step.user.id);
    // The same form, sent before: it has done what it was to do.
    if (!outcome.ok && outcome.reason === 'used') return undefined;
    if (!outcome.ok) return refuse(trx, step, outcome);
    const { data, user_id } = outcome.code;
    const address = user && addresseeIn(parts, { ...step, user }, channel);
    const same = data.channel === channel && data.address === address && user_id === user?.id;
    if (!same || user === undefined || user.factors.includes(channel) === enrolled)
      return { error: 'code_expired' };
    if (enrolled) {
      const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
      await turnOnChannel(trx, tools, originOf(ctx, `user:${user.id}`), user, channel);
    }
    await noteMessageFactor(trx, user.id, channel);
    await parts.signIn.prove(ctx, trx, step, user, {
      factor: channel,
      ...(enrolled && { enrolled }),
      ...(remember === 'yes' && { remember: true }),
    });
    return undefined;
  });
}

const ERRORS = {
  wrong: 'code_wrong',
  expired: 'code_expired',
  used: 'code_expired',
  exhausted: 'code_exhausted',
  throttled: 'throttled',
} as const;

async function refuse(
  trx: Trx,
  { ctx, user: { id: userId }, clientId }: KnownStep,
  outcome: Exclude<CodeOutcome, { ok: true }>,
): Promise<CodeProblem> {
  const { reason } = outcome;
  const origin = originOf(ctx);
  await record(trx, origin, { type: 'code.refused', userId, data: { purpose: PURPOSE, reason } });
  const data = { reason: reason === 'throttled' ? reason : 'wrong_code' } as const;
  await record(trx, origin, { type: 'sign_in.failed', userId, clientId, data });
  const retry = outcome.reason === 'throttled' ? { retryAfter: outcome.retryAfter } : {};
  return { error: ERRORS[reason], ...retry };
}
