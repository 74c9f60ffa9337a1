import { createHash } from 'node:crypto';
import type { Middleware } from 'koa';
import type { Holder } from './holder.ts';

type Kept = { body: string; etag: string };

const METADATA = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const DOCUMENTS = new Set([...METADATA, '/jwks']);

/**
 * Serves discovery and the key set from memory with Cache-Control and ETag, database or not.
 *
 * @param maxAge seconds; no longer than a new key is published before it signs.
 */
export function wellKnown(holder: Holder, maxAge: number): Middleware {
  const kept = new WeakMap<object, Map<string, Kept>>();
  return async (ctx, next) => {
    const { path } = ctx;
    if (!/^(GET|HEAD)$/.test(ctx.method) || !DOCUMENTS.has(path)) return next();
    const provider = holder.current();
    const documents = kept.get(provider) ?? new Map<string, Kept>();
    kept.set(provider, documents);
    if (!documents.has(path)) {
      await next();
      if (ctx.status !== 200) return;
      const body = JSON.stringify(ctx.body);
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      documents.set(path, { body, etag });
    }
    const { body, etag } = documents.get(path) as Kept;
    ctx.status = 200;
    ctx.type = path === '/jwks' ? 'application/jwk-set+json' : 'application/json';
    ctx.set({
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': `public, max-age=${maxAge}`,
      ETag: etag,
    });
    ctx.body = body;
    // Not ctx.fresh: fetch() sends Cache-Control: no-cache beside If-None-Match, which it heeds.
    if (ctx.get('If-None-Match').replaceAll('W/', '').split(/,\s*/).includes(etag)) {
      ctx.status = 304;
      ctx.body = null;
    }
  };
}

/**
 * Finds the documents also where RFC 8414 §3.1 and OpenID Connect Discovery clients look for them
 * when the issuer has a path: with the path after the well-known name.
 */
export function pathInsertion(basePath: string): Middleware {
  return (ctx, next) => {
    for (const document of METADATA) {
      if (ctx.path === `${document}${basePath}`) ctx.path = `${basePath}${document}`;
    }
    return next();
  };
}
