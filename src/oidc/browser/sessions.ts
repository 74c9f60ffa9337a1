import type { Context } from 'koa';
import { errors } from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { Holder } from '../holder.ts';
import { lifetimes } from '../policy/lifetimes.ts';

/** Who is signed in to a browser. */
export type BrowserSession = {
  uid: string;
  userId: string;
  /** Epoch seconds of the last time the person proved who they are. */
  signedInAt: number;
  /** What all they proved is worth (mfa/acr.ts). */
  acr: string | undefined;
  amr: readonly string[];
};

export type BrowserSessions = {
  /** The session of the browser that asks; using it keeps it from idling out. */
  find: (ctx: Context) => Promise<BrowserSession | undefined>;
  /** Makes the browser forget its session. */
  forget: (ctx: Context) => void;
};

/** Seconds of use after which the idle limit is moved; not at every page. */
const TOUCH_AFTER = 300;

/** The provider's sessions, for pages outside it: there is no other (login.md). */
export function createBrowserSessions(holder: Holder, config: Config): BrowserSessions {
  const timeToLive = lifetimes(config).Session as (ctx: unknown, session: object) => number;
  const cookie = (ctx: Context, value: string | null, expires?: Date): void => {
    ctx.cookies.set(holder.current().cookieName('session'), value, {
      httpOnly: true,
      sameSite: 'lax',
      signed: true,
      secure: config.secure,
      path: config.basePath || '/',
      overwrite: true,
      ...(expires === undefined ? {} : { expires }),
    });
  };
  return {
    find: async (ctx) => {
      const provider = holder.current();
      const session = await provider.Session.get(provider.createContext(ctx.req, ctx.res));
      const { uid, accountId, loginTs, acr, amr = [], exp = 0 } = session;
      if (accountId === undefined || loginTs === undefined) return undefined;
      const ttl = timeToLive(undefined, session);
      const now = Math.floor(Date.now() / 1000);
      if (now + ttl - exp > TOUCH_AFTER) {
        if (!(await savedUnlessEnded(session, ttl))) return undefined;
        cookie(ctx, session.jti, new Date((now + ttl) * 1000));
      }
      return { uid, userId: accountId, signedInAt: loginTs, acr, amr };
    },
    forget: (ctx) => cookie(ctx, null),
  };
}

async function savedUnlessEnded(
  session: { save: (ttl: number) => Promise<unknown> },
  ttl: number,
): Promise<boolean> {
  try {
    await session.save(ttl);
    return true;
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return false;
    throw error;
  }
}
