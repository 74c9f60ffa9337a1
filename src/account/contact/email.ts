import { addressKey, type ThrottleKey } from '../../throttle/throttle.ts';
import { canonicalEmail, foldCase, MAX_IDENTIFIER } from '../../users/identifiers.ts';
import { findUserByIdentifier } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { unknownField } from '../unknown-fields.ts';
import { applyEmail, hasVerified } from './change-email.ts';
import { enterCode, findPending, type Problem, sendCode } from './contact-code.ts';

const PURPOSE = 'change-email';

/** Another address, or the same one proven: by a code that is mailed to it. */
export function emailPages(account: Account, parts: AccountParts): void {
  const { db } = parts.deps;
  const show = (visit: Visit, email?: string, error?: Problem): undefined => {
    const { user } = visit;
    const unverified = user.email !== null && user.email_verified_at === null;
    const typed = email?.slice(0, MAX_IDENTIFIER) ?? (unverified ? user.email : '');
    const locals = { error, email: typed, unverified, mailOffered: parts.mailer.enabled };
    visit.show('account-email', locals, error === undefined ? 200 : 422);
  };
  const showCode = (visit: Visit, address: string | undefined, error?: Problem): undefined => {
    const action = account.pathOf('/email/code');
    visit.show('account-email-code', { error, address, action }, error ? 422 : 200);
  };

  account.page('/email', { fresh: true }, async (visit) => show(visit));
  account.action('/email', { fresh: true }, async (visit, form) => {
    const unknown = unknownField(form, ['email']);
    if (unknown !== undefined) return show(visit, '', { key: 'unknown_field', field: unknown });
    const typed = form.email ?? '';
    const email = canonicalEmail(typed);
    if (!parts.mailer.enabled || email === undefined) return show(visit, typed, { key: 'invalid' });
    if (hasVerified(visit.user, email)) return show(visit, typed, { key: 'unchanged' });
    const problem = await mailCode(parts, visit, email);
    return problem === undefined ? '/email/code' : show(visit, typed, problem);
  });

  account.page('/email/code', {}, async (visit) => {
    const address = await findPending(db, PURPOSE, visit);
    // Without a code there is nothing to type, and none is sent without a fresh sign-in.
    if (address === undefined) visit.ctx.redirect(account.pathOf('/email'));
    else showCode(visit, address);
  });
  account.action('/email/code', {}, async (visit, form) => {
    const unknown = unknownField(form, ['code']);
    const problem =
      unknown === undefined
        ? await enter(parts, visit, form.code ?? '')
        : { key: 'unknown_field', field: unknown };
    if (problem === undefined) return '?done=email';
    return showCode(visit, await findPending(db, PURPOSE, visit), problem);
  });
  account.action('/email/resend', { back: '/email/code' }, async (visit) => {
    const address = await findPending(db, PURPOSE, visit);
    if (address === undefined) return '/email';
    const problem = await mailCode(parts, visit, address);
    return problem === undefined ? '/email/code?done=code' : showCode(visit, address, problem);
  });
}

/** Somebody else's address is taken without a word: the code just never comes (security 9). */
async function mailCode(
  parts: AccountParts,
  visit: Visit,
  email: string,
): Promise<Problem | undefined> {
  const { user, ctx } = visit;
  const owner = await findUserByIdentifier(parts.deps.db, email);
  const taken = owner !== undefined && owner.id !== user.id;
  const throttle: ThrottleKey[] = [
    { scope: 'message', id: foldCase(email) },
    { scope: 'message', id: `${user.id} change-email` },
    addressKey(ctx.ip),
  ];
  return sendCode(parts, visit, {
    purpose: PURPOSE,
    address: email,
    throttle,
    forNobody: taken,
    send: (trx, code) =>
      parts.mailer.queue(trx, {
        template: 'change-email-code',
        to: taken ? undefined : email,
        locale: user.locale ?? parts.renderer.localeOf(ctx),
        userId: user.id,
        vars: { code },
      }),
  });
}

function enter(parts: AccountParts, visit: Visit, typed: string): Promise<Problem | undefined> {
  const { origin, ctx } = visit;
  const { mailer, issuer, renderer } = parts;
  return enterCode(parts, visit, {
    purpose: PURPOSE,
    typed,
    apply: async (trx, user, email) => {
      const locale = user.locale ?? renderer.localeOf(ctx);
      const applied = await applyEmail(trx, { mailer, issuer, locale }, origin, user, email);
      return applied ? undefined : { key: 'taken' };
    },
    isApplied: hasVerified,
  });
}
