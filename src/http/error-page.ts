import type { Context, Middleware } from 'koa';
import { asUnavailable } from '../db/unavailable.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { Renderer } from './render.ts';
import { logOf } from './request-meta.ts';

const BY_STATUS: Record<number, ErrorCode> = {
  400: 'bad_request',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  415: 'unsupported_media_type',
};

/**
 * Turns every error into a page, or JSON for a program, that says what is wrong and carries a
 * reference; the cause goes to the log. Also where nothing answered: 404.
 */
export function errorPages(renderer: Renderer): Middleware {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) throw new AppError('not_found');
      if (ctx.status === 503 && ctx.response.headers['retry-after'] === undefined)
        ctx.set('Retry-After', '2');
    } catch (caught) {
      const error = asAppError(caught);
      const log = logOf(ctx);
      if (error.status >= 500) log.error({ err: error.cause ?? caught }, error.code);
      else log.info({ err: error.cause, code: error.code }, 'refused');
      answer(ctx, renderer, error);
    }
  };
}

function asAppError(caught: unknown): AppError {
  const error = asUnavailable(caught);
  if (error instanceof AppError) return error;
  const status = (error as { status?: number; statusCode?: number }).status;
  const code = status === undefined ? undefined : BY_STATUS[status];
  return new AppError(code ?? 'internal', { cause: error });
}

function answer(ctx: Context, renderer: Renderer, error: AppError): void {
  const reference = String(ctx.state.requestId);
  if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter));
  if (ctx.accepts('html', 'json') === 'json') {
    ctx.status = error.status;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { error: error.code, reference };
    return;
  }
  const locals = { code: error.code, reference, retryAfter: error.retryAfter };
  renderer.page(ctx, 'error', locals, { status: error.status });
}
