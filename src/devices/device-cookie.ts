import type { Context } from 'koa';
import { hashToken } from '../crypto/token-hash.ts';

const COOKIE = 'plinto_device';
/** Milliseconds; browsers keep no cookie longer (RFC 6265bis §5.5). */
const MAX_AGE = 400 * 86_400_000;
const FORM = /^[\w-]{43}$/;

export type DeviceCookie = {
  /** Hash of the browser's device id, if it has one; proves nothing but that it is the same browser. */
  read: (ctx: Context) => Buffer | undefined;
  /** The same, giving the browser an id first if it has none. */
  ensure: (ctx: Context, randomBytes: (size: number) => Buffer) => Buffer;
};

/** A random id by which a browser is recognised, so that it keeps a throttle count of its own. */
export function createDeviceCookie(options: { secure: boolean; path: string }): DeviceCookie {
  const name = options.secure ? `__Secure-${COOKIE}` : COOKIE;
  const read = (ctx: Context): string | undefined => {
    const value = ctx.cookies.get(name, { signed: true });
    return value !== undefined && FORM.test(value) ? value : undefined;
  };
  return {
    read: (ctx) => {
      const value = read(ctx);
      return value === undefined ? undefined : hashToken(value);
    },
    ensure: (ctx, randomBytes) => {
      const value = read(ctx) ?? randomBytes(32).toString('base64url');
      ctx.cookies.set(name, value, {
        signed: true,
        httpOnly: true,
        sameSite: 'lax',
        secure: options.secure,
        path: options.path,
        maxAge: MAX_AGE,
        overwrite: true,
      });
      return hashToken(value);
    },
  };
}
