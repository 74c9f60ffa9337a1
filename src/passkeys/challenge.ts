import { type DerivedKey, hmac, safeEqual } from '../crypto/keyring.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Trx } from '../deps.ts';
import { useChallenge } from './store.ts';

/** What challenges are made and checked with. */
export type ChallengeTools = {
  keys: readonly DerivedKey[];
  randomBytes: (size: number) => Buffer;
  now: () => Date;
  /** Seconds in which one can be answered. */
  ttl: number;
};

/** What a challenge is good for, and nothing else. */
export type ChallengeUse = {
  purpose: 'create' | 'get';
  /** Uid of the interaction or session. */
  request: string;
  /** Whose passkey it will be. */
  userId?: string;
};

const NONCE = 16;
/** Seconds since the epoch, beyond 2106 too. */
const EXPIRY = 6;
const MAC = 32;

/**
 * A challenge that says by itself until when and for what it is good, so that nothing has to be
 * written for a page that is only looked at (Web Authentication Level 3, §13.4.3). Base64url.
 */
export function issueChallenge(tools: ChallengeTools, use: ChallengeUse): string {
  const [key] = tools.keys;
  if (key === undefined) throw new Error('no key to sign challenges with');
  const head = Buffer.alloc(NONCE + EXPIRY);
  tools.randomBytes(NONCE).copy(head);
  head.writeUIntBE(Math.floor(tools.now().getTime() / 1000) + tools.ttl, NONCE, EXPIRY);
  const mac = Buffer.from(sign(key, use, head), 'base64url');
  return Buffer.concat([head, mac]).toString('base64url');
}

/**
 * Uses up a challenge that was answered.
 *
 * @returns `expired` for one that is too old, made up, or of another purpose, request or person;
 *   `used` for one that was answered before, here or on another replica.
 */
export async function redeemChallenge(
  trx: Trx,
  tools: ChallengeTools,
  use: ChallengeUse,
  challenge: string,
): Promise<'ok' | 'expired' | 'used'> {
  const bytes = Buffer.from(challenge, 'base64url');
  // Only one way of writing it, or another would pass for unused.
  if (bytes.length !== NONCE + EXPIRY + MAC || bytes.toString('base64url') !== challenge) {
    return 'expired';
  }
  const head = bytes.subarray(0, NONCE + EXPIRY);
  const mac = bytes.subarray(NONCE + EXPIRY).toString('base64url');
  if (!tools.keys.some((key) => safeEqual(mac, sign(key, use, head)))) return 'expired';
  const expiresAt = new Date(head.readUIntBE(NONCE, EXPIRY) * 1000);
  if (expiresAt <= tools.now()) return 'expired';
  return (await useChallenge(trx, hashToken(challenge), expiresAt)) ? 'ok' : 'used';
}

function sign(key: DerivedKey, { purpose, request, userId = '' }: ChallengeUse, head: Buffer) {
  return hmac(key.bytes, [purpose, request, userId, head.toString('base64url')].join('\0'));
}
