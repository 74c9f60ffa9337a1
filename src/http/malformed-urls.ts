import type { Middleware } from 'koa';
import { AppError } from '../errors.ts';

/**
 * Refuses URLs that nothing legitimate has, before anything decodes them: broken escapes in the path,
 * and NUL bytes anywhere, which PostgreSQL can't store.
 */
export const refuseMalformedUrls: Middleware = (ctx, next) => {
  if (/%00|\0/.test(ctx.url) || !decodes(ctx.path)) throw new AppError('bad_request');
  return next();
};

function decodes(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
