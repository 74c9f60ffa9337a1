import { type DerivedKey, hmac, safeEqual } from '../../crypto/keyring.ts';
import { hashToken } from '../../crypto/token-hash.ts';

/**
 * Only the hash of a bearer value is stored, but the library wants to save again what it found by
 * user code or session uid, where nobody presented the value. Such a row goes by a handle: its hash
 * with a MAC, so that a hash read from a dump can't be presented in place of the value.
 */
export type RowHandles = {
  /** The stored id of a bearer value, or of a handle. */
  idOf: (value: string) => Buffer;
  handleOf: (id: Buffer) => string;
};

const PREFIX = 'row.';

/** Handles signed with the installation's keys, good on every replica. */
export function createRowHandles(keys: readonly DerivedKey[]): RowHandles {
  const [current] = keys;
  if (current === undefined) throw new Error('no key to sign row handles with');
  return {
    handleOf: (id) => {
      const hash = id.toString('base64url');
      return `${PREFIX}${hash}.${hmac(current.bytes, hash)}`;
    },
    idOf: (value) => {
      if (value.startsWith(PREFIX)) {
        const [, hash = '', mac = ''] = value.split('.');
        if (keys.some((key) => safeEqual(mac, hmac(key.bytes, hash)))) {
          return Buffer.from(hash, 'base64url');
        }
      }
      return hashToken(value);
    },
  };
}
