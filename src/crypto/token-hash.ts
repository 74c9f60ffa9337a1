import { createHash } from 'node:crypto';

/** SHA-256 of a bearer value: what is stored in its place. Bearer values have 128 bits or more. */
export function hashToken(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
