import Router from '@koa/router';
import type { Context } from 'koa';
import { findWayOn } from '../clients/way-on.ts';
import type { Config } from '../config.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import type { Deps } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import { accountName } from '../users/identifiers.ts';
import type { User } from '../users/store.ts';
import { acceptInvitation, findAccepted, findInvited } from './accept-invitation.ts';
import { readNames } from './names.ts';
import { readNewAccount } from './new-account.ts';

export type InvitationRoutesParts = {
  deps: Deps;
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  renderer: Renderer;
  csrf: Csrf;
  issuer: string;
  basePath: string;
  signUp: Pick<Config['signUp'], 'policy'>;
  termsUrl: string | undefined;
  privacyUrl: string | undefined;
};

/**
 * The page behind the link of an invitation. Looking at it changes nothing, as mail scanners do.
 * Whoever is signed in to the browser has no part in it: the page says whom it invites.
 */
export function invitationRoutes(parts: InvitationRoutesParts): Router {
  const { deps, renderer, csrf, basePath } = parts;
  const router = new Router({ prefix: '/invitation' });
  if (parts.signUp.policy === 'closed') return router;
  const pathOf = (token: string) => `${basePath}/invitation/${encodeURIComponent(token)}`;
  const show = (
    ctx: Context,
    token: string,
    user: User,
    form: Record<string, unknown>,
    error?: string,
  ): void => {
    ctx.state.csrf = csrf.token(token);
    const locals = {
      action: pathOf(token),
      account: accountName(user),
      minLength: parts.passwordRules.minLength,
      termsUrl: parts.termsUrl,
      privacyUrl: parts.privacyUrl,
      form,
      error,
    };
    renderer.page(ctx, 'invitation', locals, error === undefined ? {} : { status: 422 });
  };

  router.get('/:token/done', async (ctx) => {
    const accepted = await findAccepted(deps.db, String(ctx.params.token));
    if (accepted === undefined) throw new AppError('link_invalid');
    const account = accountName(accepted.user);
    const next = await findWayOn(deps.db, parts.issuer, accepted.clientId);
    renderer.page(ctx, 'invitation', { account, ...(next ?? { next: `${basePath}/account` }) });
  });

  router.get('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const user = await findInvited(deps.db, token);
    show(ctx, token, user, user);
  });

  router.post('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const form = await readForm(ctx);
    csrf.check(ctx, token, form.csrf);
    const typed = readNewAccount(form, renderer.localeOf(ctx));
    const error = await acceptInvitation(parts, originOf(ctx), token, typed);
    if (error === undefined) {
      ctx.redirect(`${pathOf(token)}/done`);
      ctx.status = 303;
      return;
    }
    show(ctx, token, await findInvited(deps.db, token), { ...form, ...readNames(form) }, error);
  });
  return router;
}
