import Router from '@koa/router';
import type { Context } from 'koa';
import { readForm } from '../http/form.ts';
import type { RecoveryParts } from './recovery.ts';
import { findResetLink, type ResetLink, resetPassword } from './reset-password.ts';

/**
 * The pages behind a mailed link, in whatever browser it is followed:
 *
 *   GET  /reset-password/:token        choose a password; changes nothing, as mail scanners look too
 *   POST /reset-password/:token        set it
 *   GET  /reset-password/:token/done   it is set; back to signing in
 */
export function resetPasswordRoutes(parts: RecoveryParts): Router {
  const { deps, renderer, csrf, basePath, returns } = parts;
  const router = new Router({ prefix: '/reset-password' });

  const show = (ctx: Context, { email }: ResetLink, error?: string): void => {
    const token = tokenOf(ctx);
    ctx.state.csrf = csrf.token(token);
    const action = `${basePath}/reset-password/${encodeURIComponent(token)}`;
    const locals = { action, account: email, minLength: parts.passwordRules.minLength, error };
    renderer.page(ctx, 'reset-password-new', locals, { status: error === undefined ? 200 : 422 });
  };
  const refuse = (ctx: Context): void => {
    const uid = returns.read(ctx);
    const restartUrl =
      uid === undefined ? `${basePath}/account` : interactionPath(parts, uid, 'reset-password');
    const reference = String(ctx.state.requestId);
    renderer.page(ctx, 'error', { code: 'link_invalid', reference, restartUrl }, { status: 400 });
  };

  router.get('/:token', async (ctx) => {
    const link = await findResetLink(deps.db, tokenOf(ctx));
    if (link === undefined || link.used) return refuse(ctx);
    ctx.state.uiLocales = link.user.locale ?? undefined;
    show(ctx, link);
  });

  router.get('/:token/done', async (ctx) => {
    const link = await findResetLink(deps.db, tokenOf(ctx));
    if (!link?.used) return refuse(ctx);
    ctx.state.uiLocales = link.user.locale ?? undefined;
    const uid = returns.read(ctx);
    const nextUrl =
      uid === undefined ? `${basePath}/account` : interactionPath(parts, uid, 'login');
    renderer.page(ctx, 'reset-password-done', { account: link.email, nextUrl });
  });

  router.post('/:token', async (ctx) => {
    const token = tokenOf(ctx);
    const form = await readForm(ctx);
    csrf.check(ctx, token, form.csrf);
    const result = await resetPassword(parts, ctx, token, form.new_password ?? '');
    if (result === 'done') {
      ctx.redirect(`${basePath}/reset-password/${encodeURIComponent(token)}/done`);
      ctx.status = 303;
      return;
    }
    const link = result === 'link_invalid' ? undefined : await findResetLink(deps.db, token);
    if (link === undefined) return refuse(ctx);
    ctx.state.uiLocales = link.user.locale ?? undefined;
    show(ctx, link, result);
  });
  return router;
}

function tokenOf(ctx: Context): string {
  return String(ctx.params.token);
}

function interactionPath({ basePath }: RecoveryParts, uid: string, page: string): string {
  return `${basePath}/interaction/${encodeURIComponent(uid)}/${page}`;
}
