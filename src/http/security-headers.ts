import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import helmet from 'koa-helmet';

type WithNonce = ServerResponse & { cspNonce?: string };

/**
 * Headers of every response (security 10): no framing, no sniffing, no referrer, and a policy that
 * runs only the page's own script. `form-action` is left out: browsers apply it to the redirects
 * after a form too, and those go to the client.
 */
export function securityHeaders(secure: boolean): Middleware {
  const headers = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: [(_req, res) => `'nonce-${(res as WithNonce).cspNonce}'`],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
    hsts: secure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    // Apps call the token endpoint from their own origins, which CORS decides (security 14).
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
  });
  return (ctx, next) => {
    ctx.state.nonce = randomBytes(16).toString('base64');
    (ctx.res as WithNonce).cspNonce = ctx.state.nonce;
    return headers(ctx, next);
  };
}
