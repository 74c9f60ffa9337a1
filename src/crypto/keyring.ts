import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** A key derived from one of the installation's secrets, with a short id that is safe to store. */
export type DerivedKey = { id: string; bytes: Buffer };

/** Keys of every purpose; the first of each list is current, the others still decrypt and verify. */
export type Keyring = {
  cookies: string[];
  box: DerivedKey[];
  clientSecrets: DerivedKey[];
  csrf: DerivedKey[];
  rowHandles: DerivedKey[];
  codes: DerivedKey[];
  challenges: DerivedKey[];
  dpopNonce: Buffer;
};

/**
 * Derives the keys of each purpose from the installation's secrets by HKDF-SHA-256 (RFC 5869).
 *
 * @param secrets one or two, newest first.
 */
export function deriveKeyring(secrets: readonly string[]): Keyring {
  const [first] = secrets;
  if (first === undefined) throw new Error('no secret to derive keys from');
  const all = (purpose: string): DerivedKey[] =>
    secrets.map((secret) => ({ id: keyId(secret), bytes: derive(secret, purpose) }));
  return {
    cookies: all('cookies').map(({ bytes }) => bytes.toString('base64url')),
    box: all('box'),
    clientSecrets: all('client-secrets'),
    csrf: all('csrf'),
    rowHandles: all('row-handles'),
    codes: all('codes'),
    challenges: all('challenges'),
    dpopNonce: derive(first, 'dpop-nonce'),
  };
}

/** HMAC-SHA-256, base64url. */
export function hmac(key: Buffer, value: string): string {
  return createHmac('sha256', key).update(value).digest('base64url');
}

/** Compares without telling by time where two strings differ. */
export function safeEqual(a: string, b: string): boolean {
  const [left, right] = [a, b].map((v) => createHash('sha256').update(v).digest());
  return timingSafeEqual(left as Buffer, right as Buffer);
}

function derive(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `plinto ${purpose} v1`, 32));
}

function keyId(secret: string): string {
  return derive(secret, 'id').subarray(0, 6).toString('base64url');
}
