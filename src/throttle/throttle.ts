import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Trx } from '../deps.ts';
import {
  blockedFor,
  forgetFailures,
  type Limits,
  refundFailure,
  reserveAttempt,
  undoAttempt,
} from './store.ts';

/** What tries are counted by. */
export type ThrottleKey = {
  scope: 'account' | 'factor' | 'address' | 'message' | 'lookup' | 'organization' | 'inviter';
  id: string;
};

/**
 * Tries that are free, the longest delay, and when a count starts anew; seconds. Delays double with
 * each failure past the free ones. After `ceiling` failures in a row (NIST SP 800-63B-4 §3.2.2) a try
 * a day is left, for devices never seen before: a known device has a count of its own.
 */
const LIMITS: Record<ThrottleKey['scope'], Limits> = {
  account: { free: 10, longest: 900, forget: 30 * 86_400, ceiling: 100 },
  // Wrong codes of a second factor: who comes that far knows the password.
  factor: { free: 5, longest: 900, forget: 30 * 86_400, ceiling: 100 },
  address: { free: 50, longest: 900, forget: 3600, ceiling: 1_000_000 },
  // Mails and text messages that somebody asks for, to one mailbox or number.
  message: { free: 5, longest: 3600, forget: 3600, ceiling: 1_000_000 },
  // Mails that an organization sends to people who may not know it.
  organization: { free: 300, longest: 3600, forget: 3600, ceiling: 1_000_000 },
  // The same mails, by the member who has them sent: somebody may own many organizations.
  inviter: { free: 300, longest: 3600, forget: 3600, ceiling: 1_000_000 },
  // Questions to name servers that an organization has asked.
  lookup: { free: 20, longest: 3600, forget: 3600, ceiling: 1_000_000 },
};

export type Reservation = { ok: true } | { ok: false; retryAfter: number };

/**
 * Counts a try before it is made, so that tries made at once can't outrun the count. Refused, it
 * counts nothing and says for how many seconds.
 */
export async function reserve(trx: Trx, keys: readonly ThrottleKey[]): Promise<Reservation> {
  for (const [index, key] of keys.entries()) {
    const hash = hashKey(key);
    if (!(await reserveAttempt(trx, hash, LIMITS[key.scope]))) {
      await takeBack(trx, keys.slice(0, index));
      return { ok: false, retryAfter: await blockedFor(trx, hash) };
    }
  }
  return { ok: true };
}

/** After a success: the account starts from zero, the address gets this try back. */
export async function release(trx: Trx, keys: readonly ThrottleKey[]): Promise<void> {
  for (const key of keys) {
    if (key.scope === 'account' || key.scope === 'factor') await forgetFailures(trx, hashKey(key));
    else await refundFailure(trx, hashKey(key));
  }
}

/** After a try that wasn't made: as if it hadn't been counted. */
export async function takeBack(trx: Trx, keys: readonly ThrottleKey[]): Promise<void> {
  for (const key of keys) await undoAttempt(trx, hashKey(key));
}

/** The key of a client's address: IPv4 as it is, IPv6 by /64, which one subscriber has (security 6). */
export function addressKey(ip: string): ThrottleKey {
  if (!ipaddr.isValid(ip)) return { scope: 'address', id: 'unknown' };
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return { scope: 'address', id: address.toString() };
  const prefix = (address as ipaddr.IPv6).parts.slice(0, 4).map((part) => part.toString(16));
  return { scope: 'address', id: `${prefix.join(':')}::/64` };
}

/** The key of passwords tried for an account in browsers that it never signed in with. */
export function strangersKey(account: string): ThrottleKey {
  return { scope: 'account', id: `${account} elsewhere` };
}

function hashKey(key: ThrottleKey): Buffer {
  return createHash('sha256').update(`${key.scope}\0${key.id}`).digest();
}
