import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import { readDigits } from '../../mfa/read-digits.ts';
import { issueCode } from '../../one-time-codes/issue-code.ts';
import { findRequestedCode, redeemCode } from '../../one-time-codes/redeem-code.ts';
import { reserve, type ThrottleKey, takeBack } from '../../throttle/throttle.ts';
import { lockActiveUser, type User } from '../../users/store.ts';
import type { AccountParts, Visit } from '../account.ts';

/** What is wrong with a form, by the key of its words. */
export type Problem = { key: string; field?: string; retryAfter?: number };

type Purpose = 'change-email' | 'verify-phone';

/** Seconds in which a form that asks for the same again is the one that was sent already. */
const SAME_FORM = 5;

/** What a code is for, and what becomes of an address that is proven by it. */
export type ProvenAddress = {
  purpose: Purpose;
  /** Gives the address to a person, whose row is held. */
  apply: (trx: Trx, visit: Visit, user: User, address: string) => Promise<Problem | undefined>;
  /** Whether the person has this address already, and has proven it. */
  isApplied: (user: User, address: string) => boolean;
};

export type CodeMessage = {
  /** The address or number to be proven, in canonical form. */
  address: string;
  /** What messages are counted by. */
  throttle: readonly ThrottleKey[];
  /** Nobody is sent it, which shows nowhere but in that. */
  forNobody: boolean;
  send: (trx: Trx, code: string) => Promise<void>;
};

/**
 * Sends the code that proves an address; it has to be typed in the session that asked. The address is
 * kept as data, not as the code's own: whoever else asks for the same mustn't take this one away.
 */
export async function sendCode(
  { deps, codes }: AccountParts,
  { user, session, origin }: Visit,
  { purpose }: Pick<ProvenAddress, 'purpose'>,
  { address, throttle, forNobody, send }: CodeMessage,
): Promise<Problem | undefined> {
  return transaction(deps.db, async (trx) => {
    const reservation = await reserve(trx, throttle);
    const before = await findRequestedCode(trx, purpose, session.uid);
    if (before && !before.used && before.age < SAME_FORM && before.data.address === address) {
      if (reservation.ok) await takeBack(trx, throttle);
      return undefined;
    }
    if (!reservation.ok) {
      const data = { purpose, reason: 'throttled' };
      await record(trx, origin, { type: 'code.refused', userId: user.id, data });
      return { key: 'throttled', retryAfter: reservation.retryAfter };
    }
    const request = session.uid;
    const data = { address };
    const { code } = await issueCode(trx, codes, {
      purpose,
      userId: user.id,
      request,
      data,
      forNobody,
    });
    await send(trx, code);
    return undefined;
  });
}

/** Where the code was sent that is waited for in this session, if one is. */
export async function findPending(
  db: Db,
  purpose: Purpose,
  { session }: Visit,
): Promise<string | undefined> {
  const code = await findRequestedCode(db, purpose, session.uid);
  return code === undefined || code.used ? undefined : addressOf(code.data);
}

/**
 * Checks a typed code, and applies what it proves to the person, whose row is held. Sent again after
 * it was right, a form does nothing more and is told the same.
 */
export async function enterCode(
  { deps, codes, devices }: AccountParts,
  visit: Visit,
  { purpose, apply, isApplied }: ProvenAddress,
  typed: string,
): Promise<Problem | undefined> {
  const { ctx, user, session, origin } = visit;
  if (readDigits(typed) === '') return { key: 'missing' };
  return transaction(deps.db, async (trx) => {
    const request = session.uid;
    const held = await lockActiveUser(trx, user.id);
    const device = devices.read(ctx);
    const outcome = await redeemCode(trx, codes.keys, { purpose, request, code: typed, device });
    if (held === undefined) return { key: 'expired' };
    if (outcome.ok) return apply(trx, visit, held, addressOf(outcome.code.data));
    const { reason } = outcome;
    const before = await findRequestedCode(trx, purpose, request);
    if (reason === 'used' && before && isApplied(held, addressOf(before.data))) return undefined;
    await record(trx, origin, { type: 'code.refused', userId: user.id, data: { purpose, reason } });
    if (reason === 'throttled') return { key: reason, retryAfter: outcome.retryAfter };
    // One that was used for something else is as good as too old.
    return { key: reason === 'used' ? 'expired' : reason };
  });
}

function addressOf(data: Record<string, unknown>): string {
  return String(data.address);
}
