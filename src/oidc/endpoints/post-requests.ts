import type { Middleware } from 'koa';
import type Provider from 'oidc-provider';
import { AppError } from '../../errors.ts';
import { readBody } from './body.ts';

/** Characters of a URL that browsers, proxies and our own server pass on whole. */
const MAX_URL = 8000;

const ROUTES: Record<string, string> = { '/authorize': 'authorization', '/logout': 'end_session' };

/**
 * Takes authorization and logout requests by POST too (OpenID Connect Core §3.1.2.1, RP-Initiated
 * Logout §2) and sends the browser on to the same request by GET: a form of another site comes
 * without our SameSite=Lax cookies, the navigation after it with them.
 */
export function postRequests(provider: Provider): Middleware {
  return async (ctx, next) => {
    const route = ROUTES[ctx.path];
    if (route === undefined || ctx.method !== 'POST' || !ctx.is('urlencoded')) return next();
    const parameters = new URLSearchParams((await readBody(ctx)).toString());
    const target = new URL(provider.urlFor(route));
    target.search = parameters.toString();
    if (target.href.length > MAX_URL) throw new AppError('body_too_large');
    ctx.set('Cache-Control', 'no-store');
    ctx.redirect(target.href);
    ctx.status = 303;
  };
}
