import Router from '@koa/router';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import { AppError } from '../../errors.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { unknownField } from '../unknown-fields.ts';
import { removePicture, setPicture } from './change-picture.ts';
import { encodePicture } from './encode-picture.ts';
import { ownPicture } from './profile.ts';
import { findPicture } from './store.ts';

/** Bytes of a form with a picture. */
const MAX_UPLOAD = 5 * 1024 * 1024;
const YEAR = 31_536_000;

type Problem = {
  key: 'missing' | 'too_large' | 'format' | 'dimensions' | 'shape' | 'unreadable' | 'unknown_field';
  field?: string;
};

/** The page where a person gives themselves a face, or takes it away. */
export function picturePages(account: Account, parts: AccountParts): void {
  const show = (visit: Visit, error?: Problem): undefined => {
    const picture = ownPicture(parts.issuer, visit.user);
    const status = error === undefined ? 200 : error.key === 'too_large' ? 413 : 422;
    visit.show('account-picture', { error, picture, action: account.pathOf('/picture') }, status);
  };
  account.page('/picture', {}, async (visit) => show(visit));
  account.upload('/picture', { limit: MAX_UPLOAD }, async (visit, upload) => {
    if (upload === undefined) return show(visit, { key: 'too_large' });
    const { fields, files } = upload;
    const unknown = unknownField({ ...fields, ...files }, ['picture']);
    if (unknown !== undefined) return show(visit, { key: 'unknown_field', field: unknown });
    const file = files.picture ?? Buffer.alloc(0);
    if (file.length === 0) return show(visit, { key: 'missing' });
    const encoded = await encodePicture(file);
    if (!encoded.ok) return show(visit, { key: encoded.reason });
    const { content } = encoded;
    const id = parts.deps.randomBytes(16).toString('base64url');
    const { origin, user } = visit;
    await transaction(parts.deps.db, (trx) =>
      setPicture(trx, origin, user.id, parts.issuer, { id, content }),
    );
    return '?done=picture';
  });
  account.action('/picture/remove', { back: '/picture' }, async ({ origin, user }) => {
    await transaction(parts.deps.db, (trx) => removePicture(trx, origin, user.id));
    return '?done=picture_removed';
  });
}

/** Serves pictures to anybody who knows their address, for good: a new one has another. */
export function pictureRoutes(db: Db): Router {
  const router = new Router({ prefix: '/pictures' });
  router.get('/:name', async (ctx) => {
    const [, id] = /^([\w-]{22})\.webp$/.exec(String(ctx.params.name)) ?? [];
    const picture = id === undefined ? undefined : await findPicture(db, id);
    if (picture === undefined) throw new AppError('not_found');
    ctx.set({
      'Cache-Control': `public, max-age=${YEAR}, immutable`,
      'Content-Security-Policy': "default-src 'none'; sandbox",
    });
    ctx.type = 'image/webp';
    ctx.body = picture.content;
  });
  return router;
}
