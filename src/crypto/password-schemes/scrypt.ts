import { scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeDigest, decodeSalt, type PasswordScheme, type ReadHash } from './scheme.ts';

/** Bytes at once, and bytes gone over altogether: 128 MiB, and a second or two. */
const MAX_MEMORY = 128 * 1024 * 1024;
const MAX_WORK = 4 * MAX_MEMORY;

const PHC = /^\$scrypt\$ln=(\d{1,2}),r=([1-9]\d{0,4}),p=([1-9]\d{0,4})\$([^$]*)\$([^$]+)$/;
/** Django: `scrypt$16384$salt$8$5$digest`, with N itself and the salt as it is. */
const DJANGO =
  /^scrypt\$([1-9]\d{0,9})\$([\x21-\x23\x25-\x7e]{1,128})\$([1-9]\d{0,4})\$([1-9]\d{0,4})\$([^$]+)$/;

const derive = promisify<
  string,
  Buffer,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt);

/** scrypt (RFC 7914) as a PHC string, `$scrypt$ln=16,r=8,p=1$salt$digest`, or as Django writes it. */
export const SCRYPT: PasswordScheme = {
  begins: /^\$?scrypt\$/,
  read: (hash) => {
    const [phc, ln, blocks, lanes, salt = '', digest = ''] = PHC.exec(hash) ?? [];
    if (phc !== undefined) {
      const costs = { N: 2 ** Number(ln), r: Number(blocks), p: Number(lanes) };
      return checkOf(costs, decodeSalt(salt), decodeDigest(digest));
    }
    const [django, work, text = '', r, p, code = ''] = DJANGO.exec(hash) ?? [];
    if (django === undefined) return undefined;
    const costs = { N: Number(work), r: Number(r), p: Number(p) };
    return checkOf(costs, Buffer.from(text), decodeDigest(code));
  },
};

function checkOf(
  { N, r, p }: { N: number; r: number; p: number },
  salt: Buffer | undefined,
  digest: Buffer | undefined,
): ReadHash | undefined {
  // RFC 7914 §2: N is a power of two, and less than 2^(128 * r / 8).
  const exponent = Math.log2(N);
  const valid = Number.isInteger(exponent) && exponent >= 1 && exponent < 16 * r;
  if (!valid || salt === undefined || digest === undefined) return undefined;
  return {
    affordable: 128 * N * r <= MAX_MEMORY && 128 * N * r * p <= MAX_WORK,
    verify: async (password) => {
      const maxmem = 128 * r * (N + p + 2);
      const made = await derive(password, salt, digest.length, { N, r, p, maxmem });
      return timingSafeEqual(made, digest);
    },
  };
}
