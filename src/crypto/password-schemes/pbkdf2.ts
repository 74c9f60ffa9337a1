import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeDigest, decodeSalt, type PasswordScheme, type ReadHash } from './scheme.ts';

/** Rounds of HMAC, over all blocks of the digest: a second or two. */
const MAX_ROUNDS = 5_000_000;

/** Bytes of a block, and what a round costs, with SHA-256 for one. */
const HASHES: Record<string, { size: number; cost: number }> = {
  sha1: { size: 20, cost: 1 },
  sha256: { size: 32, cost: 1 },
  sha512: { size: 64, cost: 2 },
};

/** passlib: `$pbkdf2-sha256$29000$salt$digest`; with `i=`, and perhaps `,l=`, as a PHC string. */
const PASSLIB =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([1-9]\d{0,9})(?:,l=(\d{1,3}))?\$([^$]*)\$([^$]+)$/;
/** Django: `pbkdf2_sha256$260000$salt$digest`, with the salt as it is. */
const DJANGO = /^pbkdf2_(sha1|sha256)\$([1-9]\d{0,9})\$([\x21-\x23\x25-\x7e]{1,128})\$([^$]+)$/;

const derive = promisify(pbkdf2);

/** PBKDF2 (RFC 8018 §5.2) as passlib, Django and the PHC string format write it. */
export const PBKDF2: PasswordScheme = {
  begins: /^(?:\$pbkdf2[-$]|pbkdf2_)/,
  read: (hash) => readPasslib(hash) ?? readDjango(hash),
};

function readPasslib(hash: string): ReadHash | undefined {
  const [match, algorithm = 'sha1', rounds, length, salt = '', digest = ''] =
    PASSLIB.exec(hash) ?? [];
  if (match === undefined) return undefined;
  const bytes = decodeDigest(digest);
  if (length !== undefined && bytes?.length !== Number(length)) return undefined;
  return checkOf(algorithm, Number(rounds), decodeSalt(salt), bytes);
}

function readDjango(hash: string): ReadHash | undefined {
  const [match, algorithm = '', rounds, salt = '', digest = ''] = DJANGO.exec(hash) ?? [];
  if (match === undefined) return undefined;
  return checkOf(algorithm, Number(rounds), Buffer.from(salt), decodeDigest(digest));
}

function checkOf(
  algorithm: string,
  rounds: number,
  salt: Buffer | undefined,
  digest: Buffer | undefined,
): ReadHash | undefined {
  const hash = HASHES[algorithm];
  if (salt === undefined || digest === undefined || hash === undefined) return undefined;
  return {
    affordable: rounds * hash.cost * Math.ceil(digest.length / hash.size) <= MAX_ROUNDS,
    verify: async (password) =>
      timingSafeEqual(await derive(password, salt, rounds, digest.length, algorithm), digest),
  };
}
