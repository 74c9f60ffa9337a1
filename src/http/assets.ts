import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Middleware } from 'koa';

/** The stylesheet, script and icon that pages link to, held in memory. */
export type Assets = {
  /** Changes when any file changes; part of every asset's URL. */
  version: string;
  /** Answers `<basePath>/assets/<version>/<file>`; every other path goes on. */
  middleware: Middleware;
};

type Asset = { type: string; etag: string; bodies: Record<Encoding, Buffer> };
type Encoding = 'br' | 'gzip' | 'identity';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const COMPRESSED = ['br', 'gzip'] as const;
const VERSION = /^[0-9a-f]{12}$/;
const YEAR = 31_536_000;

/**
 * Reads and compresses the public folder once. A request's path only ever picks from these files,
 * so there is no path to traverse.
 * @param basePath the issuer's path without a trailing slash; '' at the root
 * @throws when the folder has a file of a type that is not served
 */
export function createAssets({
  publicDir,
  basePath,
}: {
  publicDir: string;
  basePath: string;
}): Assets {
  const hash = createHash('sha256');
  const files = new Map<string, Asset>();
  for (const name of readdirSync(publicDir).sort()) {
    const body = readFileSync(join(publicDir, name));
    hash.update(name).update('\0').update(body);
    files.set(name, prepare(name, body));
  }
  const version = hash.digest('hex').slice(0, 12);
  const prefix = `${basePath}/assets/`;

  return {
    version,
    async middleware(ctx, next) {
      if (!ctx.path.startsWith(prefix)) return next();
      const [asked = '', name = '', ...rest] = ctx.path.slice(prefix.length).split('/');
      const asset = VERSION.test(asked) && rest.length === 0 ? files.get(name) : undefined;
      if (!asset || !['GET', 'HEAD'].includes(ctx.method)) {
        ctx.status = 404;
        ctx.set('Cache-Control', 'no-store');
        return;
      }
      // Asked one by one: browsers list all they take with equal weight, and br is the smallest.
      const encoding = COMPRESSED.find((name) => ctx.acceptsEncodings(name)) ?? 'identity';
      ctx.type = asset.type;
      ctx.vary('Accept-Encoding');
      ctx.etag = `${asset.etag}-${encoding}`;
      // While replicas are replaced, a page of one version may ask a replica of another. It gets
      // the file it needs to be readable, but nobody keeps it under the wrong version.
      ctx.set(
        'Cache-Control',
        asked === version ? `public, max-age=${YEAR}, immutable` : 'no-cache',
      );
      ctx.status = 200;
      if (ctx.fresh) {
        ctx.status = 304;
        return;
      }
      if (encoding !== 'identity') ctx.set('Content-Encoding', encoding);
      ctx.body = asset.bodies[encoding];
    },
  };
}

function prepare(name: string, body: Buffer): Asset {
  const type = TYPES[extname(name)];
  if (!type) throw new Error(`views/public/${name} has a type that is not served`);
  return {
    type,
    etag: createHash('sha256').update(body).digest('base64url').slice(0, 16),
    bodies: { br: brotliCompressSync(body), gzip: gzipSync(body), identity: body },
  };
}
