import Router from '@koa/router';
import type { Context } from 'koa';
import { isId } from '../../../db/id.ts';
import type { Db } from '../../../deps.ts';
import { AppError } from '../../../errors.ts';
import { findBrandingRow, findLogo } from '../../../organizations/branding/store.ts';
import { stylesheetOf } from '../../../organizations/branding/stylesheet.ts';

const YEAR = 31_536_000;

/** Serves logos to anybody who knows their address, for good: a new one has another. */
export function logoRoutes(db: Db): Router {
  const router = new Router({ prefix: '/logos' });
  router.get('/:name', async (ctx) => {
    const [, id] = /^([\w-]{22})\.webp$/.exec(String(ctx.params.name)) ?? [];
    const logo = id === undefined ? undefined : await findLogo(db, id);
    if (logo === undefined) throw new AppError('not_found');
    keep(ctx, `public, max-age=${YEAR}, immutable`);
    ctx.type = 'image/webp';
    ctx.body = logo.content;
  });
  return router;
}

/** Serves the colours of organizations, as stylesheets that their sign-in pages link to. */
export function stylesheetRoutes(db: Db): Router {
  const router = new Router({ prefix: '/branding' });
  router.get('/:organization/:name', async (ctx) => {
    const [, version] = /^([\da-f]{12})\.css$/.exec(String(ctx.params.name)) ?? [];
    const id = String(ctx.params.organization);
    const asked = version !== undefined && isId(id);
    const accent = asked ? (await findBrandingRow(db, id))?.accent : undefined;
    const stylesheet = accent ? stylesheetOf(accent) : undefined;
    if (stylesheet === undefined) throw new AppError('not_found');
    // A page that was made before the colour changed gets the one of now, and nobody keeps it so.
    const current = version === stylesheet.version;
    keep(ctx, current ? `public, max-age=${YEAR}, immutable` : 'no-cache');
    ctx.type = 'text/css; charset=utf-8';
    ctx.body = stylesheet.text;
  });
  return router;
}

function keep(ctx: Context, caching: string): void {
  ctx.set({
    'Cache-Control': caching,
    'Content-Security-Policy': "default-src 'none'; sandbox",
  });
}
