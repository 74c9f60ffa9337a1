import { hashToken } from '../crypto/token-hash.ts';

/** How many a person gets at once. */
const COUNT = 10;

/** Characters of a code: 80 bits, so that a plain hash of it is no help to a thief. */
const LENGTH = 16;

/** Crockford's base32: no two that look alike. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** New codes, as they are shown: in groups of four. */
export function createCodes(randomBytes: (size: number) => Buffer): string[] {
  return Array.from({ length: COUNT }, () => {
    const characters = [...randomBytes(LENGTH)].map((byte) => ALPHABET.charAt(byte % 32));
    return characters.join('').replace(/.{4}(?=.)/g, '$&-');
  });
}

/** A code as it is compared, whatever case, width, spaces or dashes it was typed with. */
export function readCode(typed: string): string {
  return typed
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s\p{Dash}]+/gu, '')
    .replace(/O/g, '0')
    .replace(/[IL]/g, '1');
}

/** What is stored of a code, shown or typed. */
export function hashCode(code: string): Buffer {
  return hashToken(readCode(code));
}
