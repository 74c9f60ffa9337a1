import type { Context } from 'koa';
import { type DerivedKey, hmac, safeEqual } from '../crypto/keyring.ts';
import { AppError } from '../errors.ts';

export type Csrf = {
  /** The token for forms that belong to `binding`, a value only this browser's flow knows. */
  token: (binding: string) => string;
  /** Throws AppError csrf unless the form came from our own page for the same binding. */
  check: (ctx: Context, binding: string, token: unknown) => void;
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
  return {
    checkOrigin: (ctx) => assertSameOrigin(ctx, origin),
    token: (binding) => hmac(current.bytes, binding),
    check: (ctx, binding, token) => {
      assertSameOrigin(ctx, origin);
      const valid =
        typeof token === 'string' && keys.some((key) => safeEqual(token, hmac(key.bytes, binding)));
      if (!valid) throw new AppError('csrf');
    },
  };
}

/**
 * Refuses a request that the browser says another site made. Browsers without Sec-Fetch-Site send
 * Origin with every cross-site POST; clients that send neither are no browsers and carry no cookies.
 */
function assertSameOrigin(ctx: Context, origin: string): void {
  const site = ctx.get('Sec-Fetch-Site');
  const from = ctx.get('Origin');
  if (site !== '' && site !== 'same-origin' && site !== 'none') throw new AppError('csrf');
  if (from !== '' && from !== origin && from !== 'null') throw new AppError('csrf');
  if (from === 'null' && site !== 'same-origin') throw new AppError('csrf');
}
