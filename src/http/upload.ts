import { MIMEType } from 'node:util';
import type { Context } from 'koa';
import { createBoundedQueue } from '../crypto/bounded-queue.ts';
import { AppError } from '../errors.ts';

/** Fields and files of a form, and bytes of what comes before each: taking many apart takes long. */
const MAX_PARTS = 20;
const MAX_PART_HEADER = 4096;

/** Forms that are held in memory at once; more are sent away, so that it stays bounded. */
const turn = createBoundedQueue(16, 0);

export type Upload = { fields: Record<string, string>; files: Record<string, Buffer> };

/**
 * The fields and files of a form with files, each of which is there once; undefined when it is larger
 * than `limit` bytes, of which no more are read.
 *
 * @throws AppError unsupported_media_type; bad_request for what isn't such a form, has a field twice,
 *   a NUL byte in one or too many of them; busy while too many others are being sent.
 */
export function readUpload(ctx: Context, limit: number): Promise<Upload | undefined> {
  return turn(() => read(ctx, limit));
}

async function read(ctx: Context, limit: number): Promise<Upload | undefined> {
  if (!ctx.is('multipart/form-data')) throw new AppError('unsupported_media_type');
  const body = await readBody(ctx, limit);
  if (body === undefined) return undefined;
  const headers = { 'content-type': ctx.get('Content-Type') };
  if (!isSmall(body, headers['content-type'])) throw new AppError('bad_request');
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

/** Whether taking a form apart, during which nobody else is answered, is over soon. */
function isSmall(body: Buffer, contentType: string): boolean {
  const boundary = `--${new MIMEType(contentType).params.get('boundary')}`;
  let parts = 0;
  for (let at = body.indexOf(boundary); at !== -1; at = body.indexOf(boundary, at + 1)) {
    parts += 1;
    const header = body.subarray(at, at + MAX_PART_HEADER);
    const last = body.length - at < MAX_PART_HEADER;
    if (parts > MAX_PARTS || !(last || header.includes('\r\n\r\n'))) return false;
  }
  return parts > 0;
}

async function readBody(ctx: Context, limit: number): Promise<Buffer | undefined> {
  if (Number(ctx.get('Content-Length')) > limit) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  // Left unfinished, iterating would destroy the request and with it the way to answer.
  try {
    for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > limit) return undefined;
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    // Whoever sent it went away, which looks like a database that did.
    throw new AppError('bad_request', { cause });
  }
  return Buffer.concat(chunks);
}
