import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';

/** Request ids from a proxy are taken over if they look like one. */
const REQUEST_ID = /^[\w-]{8,64}$/;

/** Gives each request an id, a logger that carries it, and one log line when it is done. */
export function requestMeta(log: Logger, trustProxy: boolean): Middleware {
  return async (ctx, next) => {
    const given = trustProxy ? ctx.get('X-Request-Id') : '';
    const requestId = REQUEST_ID.test(given) ? given : randomUUID();
    const started = performance.now();
    ctx.state.startedAt = started;
    ctx.state.requestId = requestId;
    ctx.state.log = log.child({ requestId });
    ctx.set('X-Request-Id', requestId);
    await next();
    // Path without its ids and never the query: both can hold codes and tokens.
    ctx.state.log.info(
      {
        method: ctx.method,
        route: routeOf(ctx),
        status: ctx.status,
        ms: Math.round(performance.now() - started),
      },
      'request',
    );
  };
}

/** Words of our own paths; whatever else a path has may identify a flow or be a secret. */
const WORD = /^[a-z.-]{0,40}$/;

/** The path, with everything but plain words taken out. */
function routeOf(ctx: Context): string {
  const words = ctx.path.split('/', 8).map((part) => (WORD.test(part) ? part : ':id'));
  return words.join('/');
}

/** What answered a request, by one of a limited number of names. */
export function routeNameOf(ctx: Context): string {
  // Set by our router and by the library's.
  const { _matchedRoute } = ctx as { _matchedRoute?: unknown };
  if (typeof _matchedRoute === 'string') return _matchedRoute;
  // The rest are files and documents, of which there are few, and paths that nothing answers.
  return ctx.status < 400 ? routeOf(ctx) : 'other';
}

/** The logger of a request. */
export function logOf(ctx: Context): Logger {
  return ctx.state.log as Logger;
}

/** Who sent a request and from where, as the audit log wants to know it. */
export function originOf(
  ctx: Context,
  actor = 'anonymous',
): { actor: string; ip: string; userAgent: string; requestId: string } {
  return {
    actor,
    ip: ctx.ip,
    userAgent: ctx.get('User-Agent'),
    requestId: ctx.state.requestId as string,
  };
}
