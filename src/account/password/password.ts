import Router from '@koa/router';
import { findPassword } from '../../password/store.ts';
import { accountName } from '../../users/identifiers.ts';
import { momentFormat } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { unknownField } from '../unknown-fields.ts';
import { changePassword } from './change-password.ts';
import { listMethods } from './overview.ts';

type Problem = { key: string; field?: string };

/** How a person signs in: with what beside their password, and a form for another one. */
export function passwordPages(account: Account, parts: AccountParts): void {
  const show = async (visit: Visit, form: boolean, error?: Problem): Promise<undefined> => {
    const { ctx, user } = visit;
    const password = await findPassword(parts.deps.db, user.id);
    const say = momentFormat(parts.renderer.localeOf(ctx), user);
    const { email, username, name, given_name, family_name, nickname } = user;
    const locals = {
      error,
      form,
      methods: form ? [] : await listMethods(parts, visit),
      setAt: password && say(new Date(password.changed_at)),
      replaces: password?.changed_at ?? '',
      minLength: parts.passwordRules.minLength,
      account: accountName(user),
      words: [email, username, name, given_name, family_name, nickname],
    };
    visit.show('account-password', locals, error === undefined ? 200 : 422);
  };
  account.page('/password', {}, (visit) => show(visit, false));
  account.page('/password/change', { fresh: true }, (visit) => show(visit, true));
  account.action('/password/change', { fresh: true }, async (visit, form) => {
    const unknown = unknownField(form, ['new_password', 'replaces']);
    if (unknown !== undefined) return show(visit, true, { key: 'unknown_field', field: unknown });
    const { session, user, origin, ctx } = visit;
    const problem = await changePassword(parts, origin, user, {
      password: form.new_password ?? '',
      replaces: form.replaces ?? '',
      sessionUid: session.uid,
      locale: parts.renderer.localeOf(ctx),
    });
    if (problem === undefined) return '/password?done=password';
    return show(visit, true, { key: problem });
  });
}

/** Where password managers look for the form (A Well-Known URL for Changing Passwords, W3C). */
export function changePasswordUrl({ basePath }: Pick<AccountParts, 'basePath'>): Router {
  const router = new Router();
  router.get('/.well-known/change-password', (ctx) => {
    ctx.redirect(`${basePath}/account/password/change`);
  });
  return router;
}
