import type { Context } from 'koa';
import { AppError } from '../errors.ts';

export type Upload = { fields: Record<string, string>; files: Record<string, Buffer> };

/**
 * The fields and files of a form with files, each of which is there once; undefined when it is larger
 * than `limit` bytes, of which no more are read.
 *
 * @throws AppError unsupported_media_type, or bad_request for what isn't such a form, has a field
 *   twice or a NUL byte in one.
 */
export async function readUpload(ctx: Context, limit: number): Promise<Upload | undefined> {
  if (!ctx.is('multipart/form-data')) throw new AppError('unsupported_media_type');
  const body = await readBody(ctx, limit);
  if (body === undefined) return undefined;
  const headers = { 'content-type': ctx.get('Content-Type') };
  const form = await new Response(new Uint8Array(body), { headers }).formData().catch((cause) => {
    throw new AppError('bad_request', { cause });
  });
  const upload: Upload = { fields: {}, files: {} };
  const names = new Set<string>();
  for (const [name, value] of form) {
    if (names.has(name)) throw new AppError('bad_request');
    names.add(name);
    if (typeof value === 'string') {
      if (value.includes('\0')) throw new AppError('bad_request');
      upload.fields[name] = value;
    } else {
      upload.files[name] = Buffer.from(await value.arrayBuffer());
    }
  }
  return upload;
}

async function readBody(ctx: Context, limit: number): Promise<Buffer | undefined> {
  if (Number(ctx.get('Content-Length')) > limit) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  // Left unfinished, iterating would destroy the request and with it the way to answer.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > limit) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
