import type { Context } from 'koa';

const COOKIE = 'plinto_return';
/** Milliseconds: longer than the link in the mail works. */
const MAX_AGE = 3_600_000;
const FORM = /^[\w-]{1,128}$/;

/**
 * Remembers in the browser, and nowhere else, which sign-in a password was forgotten in: the person
 * goes on there after choosing another, if they do so in this browser.
 */
export type ReturnCookie = {
  set: (ctx: Context, uid: string) => void;
  read: (ctx: Context) => string | undefined;
};

/** The cookie is sent to the pages behind the mailed links only. */
export function createReturnCookie(options: { secure: boolean; basePath: string }): ReturnCookie {
  const name = options.secure ? `__Secure-${COOKIE}` : COOKIE;
  return {
    set: (ctx, uid) => {
      ctx.cookies.set(name, uid, {
        signed: true,
        httpOnly: true,
        // Lax, because the link is followed from a mail.
        sameSite: 'lax',
        secure: options.secure,
        path: `${options.basePath}/reset-password`,
        maxAge: MAX_AGE,
        overwrite: true,
      });
    },
    read: (ctx) => {
      const uid = ctx.cookies.get(name, { signed: true });
      return uid !== undefined && FORM.test(uid) ? uid : undefined;
    },
  };
}
