import type { Context } from 'koa';
import { type DerivedKey, hmac, safeEqual } from '../crypto/keyring.ts';
import { AppError } from '../errors.ts';

export type Csrf = {
  /** The token for forms that belong to `binding`, a value only this browser's flow knows. */
  token: (binding: string) => string;
  /** Throws AppError csrf unless the form came from our own page for the same binding. */
  check: (ctx: Context, binding: string, token: unknown) => void;
  /** Whether it did, for who goes on without. */
  isOurs: (ctx: Context, binding: string, token: unknown) => boolean;
  /**
   * Throws AppError csrf when the browser says that another site made the request: enough where
   * nothing is changed.
   */
  checkOrigin: (ctx: Context) => void;
};

/** Tokens bound to a flow, checked together with where the browser says the form came from. */
export function createCsrf(keys: readonly DerivedKey[], issuer: string): Csrf {
  const [current] = keys;
  if (current === undefined) throw new Error('no key to make CSRF tokens with');
  const origin = new URL(issuer).origin;
  const isOurs: Csrf['isOurs'] = (ctx, binding, token) =>
    isSameOrigin(ctx, origin) &&
    typeof token === 'string' &&
    keys.some((key) => safeEqual(token, hmac(key.bytes, binding)));
  return {
    checkOrigin: (ctx) => {
      if (!isSameOrigin(ctx, origin)) throw new AppError('csrf');
    },
    token: (binding) => hmac(current.bytes, binding),
    check: (ctx, binding, token) => {
      if (!isOurs(ctx, binding, token)) throw new AppError('csrf');
    },
    isOurs,
  };
}

/**
 * False for a request that the browser says another site made. Browsers without Sec-Fetch-Site send
 * Origin with every cross-site POST; clients that send neither are no browsers and carry no cookies.
 */
function isSameOrigin(ctx: Context, origin: string): boolean {
  const site = ctx.get('Sec-Fetch-Site');
  const from = ctx.get('Origin');
  if (from === 'null') return site === 'same-origin';
  return ['', 'same-origin', 'none'].includes(site) && ['', origin].includes(from);
}
