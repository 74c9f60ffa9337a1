import Router from '@koa/router';
import type { Context } from 'koa';
import { hashToken } from '../../crypto/token-hash.ts';
import { transaction } from '../../db/pool.ts';
import { readForm } from '../../http/form.ts';
import { originOf } from '../../http/request-meta.ts';
import { accountName } from '../../users/identifiers.ts';
import { findUser, type User } from '../../users/store.ts';
import { cancelFactorRecovery } from './cancel.ts';
import type { LostFactorsParts } from './lost-factors.ts';
import { findRecoveryByToken } from './store.ts';

/**
 * The page behind the link of the warning, in whatever browser it is followed:
 *
 *   GET  /lost-factors/:token   whose recovery it is; changes nothing, as mail scanners look too
 *   POST /lost-factors/:token   calls it off
 */
export function lostFactorsRoutes(parts: LostFactorsParts): Router[] {
  const { deps, renderer, csrf, basePath } = parts;
  if (parts.recoveryDelayHours === 0) return [];
  const router = new Router({ prefix: '/lost-factors' });
  const pathOf = (token: string) => `${basePath}/lost-factors/${encodeURIComponent(token)}`;
  const find = async (token: string): Promise<{ user: User; cancelled: boolean } | undefined> => {
    const recovery = await findRecoveryByToken(deps.db, hashToken(token));
    const user = recovery && (await findUser(deps.db, recovery.user_id));
    return user && recovery && { user, cancelled: recovery.cancelled };
  };
  const refuse = (ctx: Context): void => {
    const reference = String(ctx.state.requestId);
    const locals = { code: 'link_invalid', reference, restartUrl: `${basePath}/account` };
    renderer.page(ctx, 'error', locals, { status: 400 });
  };

  router.get('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const found = await find(token);
    if (found === undefined) return refuse(ctx);
    ctx.state.uiLocales = found.user.locale ?? undefined;
    ctx.state.csrf = csrf.token(token);
    renderer.page(ctx, 'cancel-recovery', {
      action: pathOf(token),
      account: accountName(found.user),
      done: found.cancelled,
      nextUrl: `${basePath}/account/password`,
    });
  });

  router.post('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const form = await readForm(ctx);
    csrf.check(ctx, token, form.csrf);
    const found = await find(token);
    if (found === undefined) return refuse(ctx);
    const tools = { ...parts, locale: renderer.localeOf(ctx) };
    await transaction(deps.db, (trx) =>
      cancelFactorRecovery(trx, tools, originOf(ctx), found.user),
    );
    ctx.redirect(pathOf(token));
    ctx.status = 303;
  });
  return [router];
}
