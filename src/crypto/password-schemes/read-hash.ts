import { ARGON2 } from './argon2.ts';
import { BCRYPT } from './bcrypt.ts';
import { PBKDF2 } from './pbkdf2.ts';
import { SCRYPT } from './scrypt.ts';

const SCHEMES = [ARGON2, BCRYPT, SCRYPT, PBKDF2];

export type HashReading =
  | { ok: true; verify: (password: string) => Promise<boolean> }
  | { ok: false; reason: 'hash_unknown' | 'hash_malformed' | 'hash_too_expensive' };

/**
 * How a stored password hash is verified, or why it isn't: nothing is computed before its costs are
 * known to be bearable (security 27).
 */
export function readPasswordHash(hash: string): HashReading {
  const scheme = SCHEMES.find(({ begins }) => begins.test(hash));
  if (scheme === undefined) return { ok: false, reason: 'hash_unknown' };
  const read = scheme.read(hash);
  if (read === undefined) return { ok: false, reason: 'hash_malformed' };
  if (!read.affordable) return { ok: false, reason: 'hash_too_expensive' };
  return { ok: true, verify: read.verify };
}
