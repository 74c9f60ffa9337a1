import { type DerivedKey, hmac, safeEqual } from '../crypto/keyring.ts';

/** What is stored of a client secret: `hmac-sha256.<key id>.<mac>`, keyed with PLINTO_SECRET. */
export function hashClientSecret(keys: readonly DerivedKey[], secret: string): string {
  const [key] = keys;
  if (key === undefined) throw new Error('no key to hash client secrets with');
  return `hmac-sha256.${key.id}.${hmac(key.bytes, secret)}`;
}

/** Whether this is what is stored of a secret, and not a secret. */
export function isHashedSecret(value: string): boolean {
  return value.startsWith('hmac-sha256.');
}

/** Whether a secret is the one that was hashed. */
export function matchesClientSecret(
  keys: readonly DerivedKey[],
  hash: string,
  secret: string,
): boolean {
  const [scheme, id, mac = ''] = hash.split('.');
  const key = keys.find((k) => k.id === id);
  return scheme === 'hmac-sha256' && key !== undefined && safeEqual(mac, hmac(key.bytes, secret));
}

/** Whether a hash was made with another key than today's. */
export function isStaleSecretHash(keys: readonly DerivedKey[], hash: string): boolean {
  return hash.split('.')[1] !== keys[0]?.id;
}

/** A new secret of 256 bits. */
export function generateClientSecret(randomBytes: (size: number) => Buffer): string {
  return randomBytes(32).toString('base64url');
}
