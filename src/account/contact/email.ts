import { addressKey } from '../../throttle/throttle.ts';
import { canonicalEmail, foldCase, MAX_IDENTIFIER } from '../../users/identifiers.ts';
import { findUserByIdentifier, type User } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { applyEmail, hasVerified } from './change-email.ts';
import type { CodeMessage } from './contact-code.ts';
import { contactPages } from './contact-pages.ts';

/** Another address, or the same one proven: by a code that is mailed to it. */
export function emailPages(account: Account, parts: AccountParts): void {
  const { mailer, issuer, renderer } = parts;
  contactPages(account, parts, {
    path: '/email',
    field: 'email',
    pages: { form: 'account-email', code: 'account-email-code' },
    purpose: 'change-email',
    isOffered: () => mailer.enabled,
    canonical: canonicalEmail,
    describe: (user, typed) => describe(user, typed, mailer.enabled),
    message: (visit, email) => messageTo(parts, visit, email),
    apply: async (trx, { ctx, origin }, user, email) => {
      const locale = user.locale ?? renderer.localeOf(ctx);
      const applied = await applyEmail(trx, { mailer, issuer, locale }, origin, user, email);
      return applied ? undefined : { key: 'taken' };
    },
    isApplied: hasVerified,
  });
}

function describe(user: User, typed: string | undefined, mailOffered: boolean) {
  const unverified = user.email !== null && user.email_verified_at === null;
  const email = typed?.slice(0, MAX_IDENTIFIER) ?? (unverified ? user.email : '');
  return { email, unverified, mailOffered };
}

/** Somebody else's address is taken without a word: the code just never comes (security 9). */
async function messageTo(
  { deps, mailer, renderer }: AccountParts,
  { user, ctx }: Visit,
  email: string,
): Promise<CodeMessage> {
  const owner = await findUserByIdentifier(deps.db, email);
  const taken = owner !== undefined && owner.id !== user.id;
  return {
    address: email,
    throttle: [
      { scope: 'message', id: foldCase(email) },
      { scope: 'message', id: `${user.id} change-email` },
      addressKey(ctx.ip),
    ],
    forNobody: taken,
    send: (trx, code) =>
      mailer.queue(trx, {
        template: 'change-email-code',
        to: taken ? undefined : email,
        locale: user.locale ?? renderer.localeOf(ctx),
        userId: user.id,
        vars: { code },
      }),
  };
}
