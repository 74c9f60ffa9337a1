/** A way in which passwords were hashed, here or in the system that accounts came from. */
export type PasswordScheme = {
  /** What its hashes begin with. */
  begins: RegExp;
  /**
   * Takes a hash apart. Undefined when it isn't well-formed; `affordable` is false when verifying it
   * would take more memory or time than a sign-in may (security 27).
   */
  read: (hash: string) => ReadHash | undefined;
};

export type ReadHash = {
  affordable: boolean;
  /** Whether the password made the hash. Takes as long as the hash's cost says. */
  verify: (password: string) => Promise<boolean>;
};

/** Bytes of a digest: fewer are matched by other passwords too, more only cost time. */
const MIN_DIGEST = 16;
const MAX_DIGEST = 64;
const MAX_SALT = 128;

/**
 * Base64 of the PHC string format and of passlib, which writes `.` for `+`: without padding, or with
 * what padding there has to be. Undefined for anything else.
 */
function decodeBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/.]*={0,2}$/.test(text)) return undefined;
  const plain = text.replaceAll('.', '+').replace(/=+$/, '');
  if (text.includes('=') && text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(plain, 'base64');
  // The same bytes have one spelling.
  return bytes.toString('base64').replace(/=+$/, '') === plain ? bytes : undefined;
}

/** A digest of a usable length, from its Base64. */
export function decodeDigest(text: string): Buffer | undefined {
  const bytes = decodeBase64(text);
  return bytes && bytes.length >= MIN_DIGEST && bytes.length <= MAX_DIGEST ? bytes : undefined;
}

/** A salt of a usable length, from its Base64. */
export function decodeSalt(text: string): Buffer | undefined {
  const bytes = decodeBase64(text);
  return bytes && bytes.length <= MAX_SALT ? bytes : undefined;
}
