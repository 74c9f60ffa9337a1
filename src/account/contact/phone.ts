import { transaction } from '../../db/pool.ts';
import { addressKey, type ThrottleKey } from '../../throttle/throttle.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { unknownField } from '../unknown-fields.ts';
import { applyPhone, hasVerifiedPhone, removePhone } from './change-phone.ts';
import { enterCode, findPending, type Problem, sendCode } from './contact-code.ts';
import { canonicalPhoneNumber } from './phone-number.ts';

const PURPOSE = 'verify-phone';

/** Characters of what was typed that are shown again. */
const MAX_TYPED = 40;

/** A phone number, proven by a code that is sent to it. */
export function phonePages(account: Account, parts: AccountParts): void {
  const { db } = parts.deps;
  const show = (visit: Visit, phone?: string, error?: Problem): undefined => {
    const { user } = visit;
    const unverified = user.phone_number_verified_at === null ? user.phone_number : null;
    const locals = {
      error,
      phone: phone?.slice(0, MAX_TYPED) ?? unverified,
      textOffered: parts.texter.enabled,
    };
    visit.show('account-phone', locals, error === undefined ? 200 : 422);
  };
  const showCode = (visit: Visit, address: string | undefined, error?: Problem): undefined => {
    const action = account.pathOf('/phone/code');
    visit.show('account-phone-code', { error, address, action }, error ? 422 : 200);
  };

  account.page('/phone', { fresh: true }, async (visit) => show(visit));
  account.action('/phone', { fresh: true }, async (visit, form) => {
    const unknown = unknownField(form, ['phone']);
    if (unknown !== undefined) return show(visit, '', { key: 'unknown_field', field: unknown });
    const typed = form.phone ?? '';
    const phone = canonicalPhoneNumber(typed);
    if (!parts.texter.enabled || phone === undefined) return show(visit, typed, { key: 'invalid' });
    if (hasVerifiedPhone(visit.user, phone)) return show(visit, typed, { key: 'unchanged' });
    const problem = await textCode(parts, visit, phone);
    return problem === undefined ? '/phone/code' : show(visit, typed, problem);
  });
  account.action('/phone/remove', { fresh: true, back: '/phone' }, async ({ origin, user }) => {
    await transaction(db, (trx) => removePhone(trx, origin, user.id));
    return '?done=phone_removed';
  });

  account.page('/phone/code', {}, async (visit) => {
    const address = await findPending(db, PURPOSE, visit);
    // Without a code there is nothing to type, and none is sent without a fresh sign-in.
    if (address === undefined) visit.ctx.redirect(account.pathOf('/phone'));
    else showCode(visit, address);
  });
  account.action('/phone/code', {}, async (visit, form) => {
    const unknown = unknownField(form, ['code']);
    const problem =
      unknown === undefined
        ? await enter(parts, visit, form.code ?? '')
        : { key: 'unknown_field', field: unknown };
    if (problem === undefined) return '?done=phone';
    return showCode(visit, await findPending(db, PURPOSE, visit), problem);
  });
  account.action('/phone/resend', { back: '/phone/code' }, async (visit) => {
    const address = await findPending(db, PURPOSE, visit);
    if (address === undefined) return '/phone';
    const problem = await textCode(parts, visit, address);
    return problem === undefined ? '/phone/code?done=code' : showCode(visit, address, problem);
  });
}

function textCode(parts: AccountParts, visit: Visit, phone: string): Promise<Problem | undefined> {
  const { user, ctx } = visit;
  // Each message costs money, so all three are counted as strictly as a mailbox.
  const ids = [phone, `${user.id} sms`, `sms from ${addressKey(ctx.ip).id}`];
  return sendCode(parts, visit, {
    purpose: PURPOSE,
    address: phone,
    throttle: ids.map((id): ThrottleKey => ({ scope: 'message', id })),
    forNobody: false,
    send: (trx, code) =>
      parts.texter.queue(trx, {
        to: phone,
        template: 'code',
        vars: { code },
        locale: user.locale ?? parts.renderer.localeOf(ctx),
      }),
  });
}

function enter(parts: AccountParts, visit: Visit, typed: string): Promise<Problem | undefined> {
  return enterCode(parts, visit, {
    purpose: PURPOSE,
    typed,
    apply: async (trx, user, phone) => {
      await applyPhone(trx, visit.origin, user, phone);
      return undefined;
    },
    isApplied: hasVerifiedPhone,
  });
}
