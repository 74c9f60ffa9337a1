import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { LogoutNotice } from './logout-token.ts';
import type { PendingSignIn, SignedIn } from './sign-in.ts';

export type Notice = { kind: 'status' | 'alert'; text: string };

/** What the app knows of one browser. The browser has the key only, never a token. */
export type Session = { pending?: PendingSignIn; signedIn?: SignedIn; notice?: Notice };

export type Sessions = {
  of: (ctx: Context) => Session;
  /** Continues under a new key, so that one planted before sign-in is worth nothing. */
  renew: (ctx: Context) => Session;
  /** Ends sign-ins that the server says are over. @returns how many. */
  end: (notice: LogoutNotice) => number;
};

/** Browsers remembered at a time; enough for a demo. */
const CAPACITY = 1000;

/** Sessions in memory: a real app keeps them in its database. */
export function createSessions(url: string): Sessions {
  const sessions = new Map<string, Session>();
  // Browsers share the cookies of all ports of a host, so each demo has a name of its own.
  const cookie = `plinto_demo_${new URL(url).port}`;
  const begin = (ctx: Context, session: Session): Session => {
    const key = randomBytes(32).toString('base64url');
    const [oldest] = sessions.keys();
    if (sessions.size >= CAPACITY && oldest !== undefined) sessions.delete(oldest);
    sessions.set(key, session);
    ctx.cookies.set(cookie, key, { httpOnly: true, sameSite: 'lax', signed: false });
    return session;
  };
  return {
    of: (ctx) => sessions.get(ctx.cookies.get(cookie) ?? '') ?? begin(ctx, {}),
    renew: (ctx) => {
      const key = ctx.cookies.get(cookie) ?? '';
      const session = sessions.get(key) ?? {};
      sessions.delete(key);
      return begin(ctx, session);
    },
    end: ({ sub, sid }) => {
      let ended = 0;
      for (const session of sessions.values()) {
        const claims = session.signedIn?.claims;
        if (claims === undefined) continue;
        if (sid === undefined ? claims.sub !== sub : claims.sid !== sid) continue;
        delete session.signedIn;
        session.notice = { kind: 'status', text: 'You were signed out at the server.' };
        ended += 1;
      }
      return ended;
    },
  };
}
