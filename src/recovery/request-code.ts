import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { isKnownDevice } from '../devices/store.ts';
import { originOf } from '../http/request-meta.ts';
import { issueCode } from '../one-time-codes/issue-code.ts';
import { findRequestedCode } from '../one-time-codes/redeem-code.ts';
import { addressKey, reserve, type ThrottleKey, takeBack } from '../throttle/throttle.ts';
import { canonicalIdentifier } from '../users/identifiers.ts';
import { findUserByIdentifier, type User } from '../users/store.ts';
import { NO_ERROR, type RecoveryParts, type Request } from './recovery.ts';

/** Seconds in which a form that asks for the same again is the one that was sent already. */
const SAME_FORM = 5;

/** What is asked for, and the pages that say so. */
export type Asked = {
  purpose: 'reset-password' | 'sign-in';
  /** As it was typed. */
  identifier: string;
  /** The one before didn't arrive, say. */
  again: boolean;
  /** The page to go on at once it is sent. */
  step: 'reset-password-sent' | 'code';
  /** The page that says so when it was asked for too often; null is the sign-in page. */
  errorPage: string | null;
};

/**
 * Mails a code or link to the account that somebody names. Whether there is one, may sign in and has
 * an address shows in nothing but the mailbox: the statements are the same, and so are the counts
 * (security 9).
 *
 * An address that was never verified is written to as well: it is the account's only one, and who
 * follows the link or types the code has proven it.
 *
 * @returns whether it was sent, as far as the person is told; if not, their page says when it can be.
 */
export async function requestCode(
  parts: RecoveryParts,
  ctx: Context,
  request: Request,
  asked: Asked,
): Promise<boolean> {
  const { deps, codes, signIn } = parts;
  const { purpose, identifier, step } = asked;
  const canonical = canonicalIdentifier(identifier);
  const named = await findUserByIdentifier(deps.db, canonical);
  const reader = named?.status === 'active' && named.email !== null ? named : undefined;
  const address = reader?.email ?? canonical.toLowerCase();
  const keys = await throttleKeys(parts, ctx, named, canonical);
  const origin = originOf(ctx);
  const who = named === undefined ? {} : { userId: named.id };
  return transaction(deps.db, async (trx) => {
    const reservation = await reserve(trx, keys);
    const before = await findRequestedCode(trx, purpose, request.uid);
    if (before !== undefined && before.age < SAME_FORM && before.address === address) {
      if (reservation.ok) await takeBack(trx, keys);
      return true;
    }
    if (!reservation.ok) {
      const reason = 'throttled';
      await record(trx, origin, { type: 'code.refused', ...who, data: { purpose, reason } });
      const { retryAfter: retry_after } = reservation;
      const error = { error: reason, error_page: asked.errorPage, retry_after };
      await signIn.change(trx, request.uid, { identifier, ...error });
      return false;
    }
    const secrets = await issueCode(trx, codes, {
      purpose,
      address,
      request: request.uid,
      ...(reader === undefined ? { forNobody: true } : { userId: reader.id }),
    });
    await queueMail(parts, ctx, trx, reader, { request, purpose, ...secrets });
    await record(trx, origin, { type: REQUESTED[purpose], ...who, clientId: request.clientId });
    const form: Record<string, string> = asked.again ? { again: 'yes' } : {};
    await signIn.change(trx, request.uid, { identifier, step, form, ...NO_ERROR });
    return true;
  });
}

const REQUESTED = {
  'reset-password': 'password.reset_requested',
  'sign-in': 'sign_in.code_requested',
} as const;

type ToSend = { request: Request; purpose: Asked['purpose']; code: string; token: string };

async function queueMail(
  { mailer, renderer, issuer }: RecoveryParts,
  ctx: Context,
  trx: Trx,
  reader: User | undefined,
  { request, purpose, code, token }: ToSend,
): Promise<void> {
  const mail = {
    to: reader?.email ?? undefined,
    locale: reader?.locale ?? renderer.localeOf(ctx),
    ...(reader === undefined ? {} : { userId: reader.id }),
  };
  if (purpose === 'reset-password') {
    const url = `${issuer}/reset-password/${token}`;
    await mailer.queue(trx, { ...mail, template: 'reset-password', vars: { url } });
  } else {
    const url = `${issuer}/interaction/${encodeURIComponent(request.uid)}/code?link=${token}`;
    await mailer.queue(trx, { ...mail, template: 'sign-in-code', vars: { code, url } });
  }
}

/**
 * Mails are counted by the account, whatever name it is asked for by, and by the sender's address. A
 * browser in which the account signed in before has a count of its own, so that a stranger who asks
 * all day keeps nobody from asking.
 */
async function throttleKeys(
  { deps, devices }: RecoveryParts,
  ctx: Context,
  named: User | undefined,
  canonical: string,
): Promise<ThrottleKey[]> {
  // Apart from what other messages are counted by: a count shared with them for nobody only would tell.
  const account = named?.id ?? `nobody ${canonical.toLowerCase()}`;
  const device = devices.read(ctx);
  const known = device !== undefined && (await isKnownDevice(deps.db, device, named?.id));
  return known
    ? [{ scope: 'message', id: `${account} ${device.toString('base64url')}` }]
    : [{ scope: 'message', id: account }, addressKey(ctx.ip)];
}
