import Router from '@koa/router';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Deps } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import { accountName } from '../users/identifiers.ts';
import { createAdministrator } from './create-administrator.ts';
import { findCreated, isSetupCode } from './store.ts';

export type SetupParts = {
  deps: Deps;
  hasher: PasswordHasher;
  renderer: Renderer;
  csrf: Csrf;
  passwordRules: PasswordRules;
  basePath: string;
};

const MAX_NAME = 200;

/** The page behind the single-use link that the first start prints. */
export function setupRoutes(parts: SetupParts): Router {
  const { deps, renderer, csrf, basePath } = parts;
  const router = new Router({ prefix: '/setup' });
  const pathOf = (token: string) => `${basePath}/setup/${encodeURIComponent(token)}`;

  router.get('/:token/done', async (ctx) => {
    const user = await findCreated(deps.db, hashToken(String(ctx.params.token)));
    if (user === undefined) throw new AppError('link_invalid');
    renderer.page(ctx, 'setup-done', { account: accountName(user) });
  });

  router.get('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    if (!(await isSetupCode(deps.db, hashToken(token)))) throw new AppError('link_invalid');
    ctx.state.csrf = csrf.token(token);
    renderer.page(ctx, 'setup', {
      action: pathOf(token),
      minLength: parts.passwordRules.minLength,
    });
  });

  router.post('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const form = await readForm(ctx);
    csrf.check(ctx, token, form.csrf);
    const input = {
      email: form.email ?? '',
      name: (form.name ?? '').trim().slice(0, MAX_NAME),
      password: form.new_password ?? '',
    };
    const result = await createAdministrator(parts, originOf(ctx), token, input);
    if (result.ok) {
      ctx.redirect(`${pathOf(token)}/done`);
      ctx.status = 303;
      return;
    }
    // Shown in answer to the form itself: the link has no row of its own to keep an error in, and
    // the password rules are best read beside what was typed.
    ctx.state.csrf = csrf.token(token);
    const { field, key } = result;
    const locals = { email: input.email, name: input.name, error: { field, key } };
    renderer.page(
      ctx,
      'setup',
      { ...locals, action: pathOf(token), minLength: parts.passwordRules.minLength },
      { status: 422 },
    );
  });
  return router;
}
