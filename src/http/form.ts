import bodyParser from '@koa/bodyparser';
import type { Context } from 'koa';
import { AppError } from '../errors.ts';

/** Bytes of a form's body (security 26). */
const LIMIT = '64kb';

const parse = bodyParser({
  enableTypes: ['form'],
  formLimit: LIMIT,
  onError: (error) => {
    const { status } = error as { status?: number };
    throw new AppError(status === 413 ? 'body_too_large' : 'bad_request', { cause: error });
  },
});

/**
 * The fields of a submitted form, each a single string.
 *
 * @throws AppError unsupported_media_type, body_too_large, or bad_request for repeated or nested
 *   fields and NUL bytes, which PostgreSQL can't store.
 */
export async function readForm(ctx: Context): Promise<Record<string, string>> {
  if (!ctx.is('urlencoded')) throw new AppError('unsupported_media_type');
  await parse(ctx, async () => {});
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries((ctx.request as { body?: object }).body ?? {})) {
    if (typeof value !== 'string' || value.includes('\0')) throw new AppError('bad_request');
    fields[name] = value;
  }
  return fields;
}
