import { transaction } from '../../db/pool.ts';
import { mustKeep } from '../../mfa/must-keep.ts';
import { addressKey, type ThrottleKey } from '../../throttle/throttle.ts';
import { lockActiveUser, type User } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { applyPhone, hasVerifiedPhone, takePhoneOf } from './change-phone.ts';
import type { CodeMessage } from './contact-code.ts';
import { contactPages } from './contact-pages.ts';
import { canonicalPhoneNumber } from './phone-number.ts';

/** Characters of what was typed that are shown again. */
const MAX_TYPED = 40;

/** A phone number, proven by a code that is sent to it. */
export function phonePages(account: Account, parts: AccountParts): void {
  const { texter, mfa } = parts;
  const toolsFor = (visit: Visit) => ({ ...parts, locale: parts.renderer.localeOf(visit.ctx) });
  contactPages(account, parts, {
    path: '/phone',
    field: 'phone',
    pages: { form: 'account-phone', code: 'account-phone-code' },
    purpose: 'verify-phone',
    isOffered: () => texter.enabled,
    canonical: canonicalPhoneNumber,
    describe: (user, typed) => describe(user, typed, texter.enabled),
    message: (visit, phone) => messageTo(parts, visit, phone),
    apply: async (trx, visit, user, phone) => {
      // The new number is proven: who has no other second factor and needs one keeps this one.
      const keep = mustKeep(mfa, user, 'sms');
      await applyPhone(trx, toolsFor(visit), visit.origin, user, phone, { keep });
      return undefined;
    },
    isApplied: hasVerifiedPhone,
  });
  account.action('/phone/remove', { fresh: true, back: '/phone' }, async (visit) => {
    const removed = await transaction(parts.deps.db, async (trx) => {
      const user = await lockActiveUser(trx, visit.user.id);
      if (user === undefined || mustKeep(mfa, user, 'sms')) return false;
      await takePhoneOf(trx, toolsFor(visit), visit.origin, user);
      return true;
    });
    if (removed) return '?done=phone_removed';
    const error = { key: 'last_factor' };
    visit.show('account-phone', { error, ...describe(visit.user, undefined, texter.enabled) }, 422);
    return undefined;
  });
}

function describe(user: User, typed: string | undefined, textOffered: boolean) {
  const unverified = user.phone_number_verified_at === null ? user.phone_number : null;
  return { phone: typed?.slice(0, MAX_TYPED) ?? unverified, textOffered };
}

function messageTo(
  { texter, renderer }: AccountParts,
  { user, ctx }: Visit,
  phone: string,
): CodeMessage {
  // Each message costs money, so all three are counted as strictly as a mailbox.
  const ids = [phone, `${user.id} sms`, `sms from ${addressKey(ctx.ip).id}`];
  return {
    address: phone,
    throttle: ids.map((id): ThrottleKey => ({ scope: 'message', id })),
    forNobody: false,
    send: (trx, code) =>
      texter.queue(trx, {
        to: phone,
        template: 'code',
        vars: { code },
        locale: user.locale ?? renderer.localeOf(ctx),
      }),
  };
}
