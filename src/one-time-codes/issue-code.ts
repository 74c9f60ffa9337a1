import { v7 as uuid } from 'uuid';
import { type DerivedKey, hmac } from '../crypto/keyring.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Trx } from '../deps.ts';
import { type CodePurpose, replaceCode } from './store.ts';

/** Seconds a code or link works. */
export const CODE_TTL = 600;

const DIGITS = 8;

/** What codes are made and checked with. */
export type CodeTools = {
  keys: readonly DerivedKey[];
  randomBytes: (size: number) => Buffer;
};

export type CodeRequest = {
  purpose: CodePurpose;
  /** Where it will be sent, in canonical form. */
  address?: string | undefined;
  userId?: string | undefined;
  /** Uid of the interaction or session in which the code has to be typed. */
  request?: string | undefined;
  /** Seconds; {@link CODE_TTL} unless given. */
  ttl?: number;
  /** What is done once the address is proven. */
  data?: Record<string, unknown>;
  /** Nobody is sent it and nothing matches it: for addresses without an account (security 9). */
  forNobody?: boolean;
};

/**
 * Makes a code of eight digits and the token of a link, each of which proves that the address was
 * read. Only hashes are stored; an older one of the same purpose stops working.
 */
export async function issueCode(
  trx: Trx,
  tools: CodeTools,
  request: CodeRequest,
): Promise<{ code: string; token: string }> {
  const { keys, randomBytes } = tools;
  const [key] = keys;
  if (key === undefined) throw new Error('no key to hash codes with');
  const id = uuid();
  const token = randomBytes(32).toString('base64url');
  const number = randomBytes(8).readBigUInt64BE() % 10n ** BigInt(DIGITS);
  const code = number.toString().padStart(DIGITS, '0');
  const row = {
    id,
    purpose: request.purpose,
    hash: hashToken(token),
    code_hash: request.forNobody ? null : hashCode(key, id, code),
    user_id: request.userId ?? null,
    address: request.address ?? null,
    request_hash: request.request === undefined ? null : hashToken(request.request),
    data: request.data ?? {},
  };
  await replaceCode(trx, row, request.ttl ?? CODE_TTL);
  return { code, token };
}

/** What is stored of a code: keyed, because eight digits are soon tried. */
export function hashCode(key: DerivedKey, id: string, code: string): string {
  return hmac(key.bytes, `${id} ${code}`);
}
