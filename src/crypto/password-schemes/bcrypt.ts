import type { PasswordScheme } from './scheme.ts';

/** Two to the power of this many rounds: a second or two. */
const MAX_COST = 14;
/** bcrypt looks at no more of a password. */
const MAX_BYTES = 72;

const SHAPE = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/**
 * bcrypt as written by PHP (`$2y$`), OpenBSD and most others (`$2a$`, `$2b$`). The three differ only
 * in which bugs their first programs had; `$2x$` is hashes made with one of them, and is refused.
 */
export const BCRYPT: PasswordScheme = {
  begins: /^\$2[abxy]?\$/,
  read: (hash) => {
    const cost = Number(SHAPE.exec(hash)?.[1] ?? 0);
    if (cost < 4) return undefined;
    return { affordable: cost <= MAX_COST, verify: (password) => verify(hash, password) };
  },
};

async function verify(hash: string, password: string): Promise<boolean> {
  // Programs in C stop at a NUL, so that what comes after it would go unchecked.
  if (password.includes('\0')) return false;
  // Most installations import none.
  const { default: bcrypt } = await import('bcrypt');
  const bytes = Buffer.from(password).subarray(0, MAX_BYTES);
  // The library knows no `y`; its `b` is the same.
  return bcrypt.compare(bytes, `$2b$${hash.slice(4)}`);
}
