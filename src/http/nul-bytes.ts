import type { Middleware } from 'koa';
import { AppError } from '../errors.ts';

/** Refuses NUL bytes in a URL: PostgreSQL can't store them and nothing legitimate has them. */
export const refuseNulBytes: Middleware = (ctx, next) => {
  if (/%00|\0/.test(ctx.url)) throw new AppError('bad_request');
  return next();
};
