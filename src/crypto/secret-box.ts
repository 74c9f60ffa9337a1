import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { DerivedKey } from './keyring.ts';

const ALGORITHM = 'aes-256-gcm';

/**
 * Encrypts a value that must be read back (AES-256-GCM, NIST SP 800-38D), as
 * `v1.<key id>.<iv>.<ciphertext and tag>`.
 *
 * @param context what the value is and whose; decrypting with another fails, so that a ciphertext
 *   can't be moved to another row.
 */
export function seal(keys: readonly DerivedKey[], context: string, plaintext: string): string {
  const [key] = keys;
  if (key === undefined) throw new Error('no key to encrypt with');
  return `v1.${key.id}.${encrypt(key.bytes, context, plaintext)}`;
}

/**
 * Decrypts what {@link seal} gave.
 *
 * @throws Error when the key is unknown, or the value or its context was altered.
 */
export function open(keys: readonly DerivedKey[], context: string, sealed: string): string {
  const [version, id, ...rest] = sealed.split('.');
  const key = keys.find((k) => k.id === id);
  if (version !== 'v1' || key === undefined) {
    throw new Error(
      'this database is encrypted with another secret: PLINTO_SECRET must be that one, or "new,old"',
    );
  }
  return decrypt(key.bytes, context, rest.join('.'));
}

/** True when a value was not encrypted with the current key and should be, again. */
export function isStale(keys: readonly DerivedKey[], sealed: string): boolean {
  return sealed.split('.')[1] !== keys[0]?.id;
}

/**
 * Encrypts under a key that only the holder of a bearer value has, so that a row keyed by that
 * value's hash can't be read from a dump, secret of the installation or not.
 */
export function sealWith(bearer: string, plaintext: string): string {
  return encrypt(bearerKey(bearer), '', plaintext);
}

/** Decrypts what {@link sealWith} gave. @throws Error when it wasn't this bearer value. */
export function openWith(bearer: string, sealed: string): string {
  return decrypt(bearerKey(bearer), '', sealed);
}

function bearerKey(bearer: string): Buffer {
  return Buffer.from(hkdfSync('sha256', bearer, '', 'plinto bearer v1', 32));
}

function encrypt(key: Buffer, context: string, plaintext: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(Buffer.from(context));
  const body = Buffer.concat([
    cipher.update(plaintext, 'utf8'),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return `${iv.toString('base64url')}.${body.toString('base64url')}`;
}

function decrypt(key: Buffer, context: string, value: string): string {
  const [iv = '', body = ''] = value.split('.').map((part) => Buffer.from(part, 'base64url'));
  const bytes = Buffer.from(body);
  const decipher = createDecipheriv(ALGORITHM, key, Buffer.from(iv), { authTagLength: 16 })
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString(
    'utf8',
  );
}
