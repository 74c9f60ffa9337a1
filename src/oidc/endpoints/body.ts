import type { Context } from 'koa';
import { AppError } from '../../errors.ts';

/** Bytes of a request's body (security 26); the library reads no more than 56 KB. */
const LIMIT = 64 * 1024;

/** The whole body of a request that nobody has read yet. @throws AppError body_too_large. */
export async function readBody(ctx: Context): Promise<Buffer> {
  // Unread, the rest is thrown away by Node; half read it would block what comes on the connection.
  if ((ctx.request.length ?? 0) > LIMIT) throw new AppError('body_too_large');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > LIMIT) {
      ctx.set('Connection', 'close');
      throw new AppError('body_too_large');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
