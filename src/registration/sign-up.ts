import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { originOf } from '../http/request-meta.ts';
import { findCode } from '../one-time-codes/store.ts';
import { hashNewPassword } from '../password/set-password.ts';
import { addressKey, reserve, takeBack } from '../throttle/throttle.ts';
import { canonicalEmail, MAX_IDENTIFIER } from '../users/identifiers.ts';
import { readNames } from './names.ts';
import { mailboxKey, type Pending, sendCode } from './pending.ts';
import type { Interaction, Registration } from './registration.ts';
import { updateCodeData } from './store.ts';

/** What nobody sees, so that only a program fills it in. */
const HONEYPOT = 'homepage';

/**
 * Takes a sign-up form. Nothing is created yet: what was typed waits beside a code that is mailed to
 * the address. One that has an account gets the same page after the same work, and a different mail
 * (security 9).
 *
 * @throws AppError busy when too many passwords wait to be hashed.
 */
export async function signUp(
  registration: Registration,
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
): Promise<'register' | undefined> {
  const { deps, signIn, hasher, passwordRules, renderer } = registration;
  const typed = {
    email: (form.email ?? '').trim().slice(0, MAX_IDENTIFIER),
    ...readNames(form),
    terms: form.terms === 'yes' ? 'yes' : '',
  };
  const email = canonicalEmail(typed.email);
  const refuse = async (error: string, retryAfter: number | null = null): Promise<'register'> => {
    const about = { error, error_page: 'register', retry_after: retryAfter };
    const change = { identifier: typed.email, form: typed, ...about };
    await transaction(deps.db, (trx) => signIn.change(trx, interaction.uid, change));
    return 'register';
  };
  const problem = findProblem(registration, ctx, interaction, form, { ...typed, email });
  if (problem !== undefined || email === undefined) return refuse(problem ?? 'email_invalid');
  // Counted before the password costs anything, by whom there may be many of.
  const tries = [addressKey(ctx.ip)];
  const reservation = await transaction(deps.db, (trx) => reserve(trx, tries));
  if (!reservation.ok) return refuse('throttled', reservation.retryAfter);
  const weakness = await passwordRules.check(form.new_password ?? '', { ...typed, email });
  if (weakness !== undefined) return refuse(weakness);
  const { hash } = await hashNewPassword(hasher, form.new_password ?? '').catch(async (error) => {
    await transaction(deps.db, (trx) => takeBack(trx, tries));
    throw error;
  });
  const pending: Pending = {
    given_name: typed.given_name,
    family_name: typed.family_name,
    hash,
    terms: registration.termsUrl !== undefined,
    locale: renderer.localeOf(ctx),
    form: form.stamp ?? '',
    refused: (form[HONEYPOT] ?? '') !== '',
  };
  return transaction(deps.db, (trx) =>
    keepPending(registration, ctx, trx, interaction, { typed, email, pending }),
  );
}

/** What is wrong with a form before its password is looked at. */
function findProblem(
  registration: Registration,
  ctx: Context,
  { uid }: Interaction,
  form: Record<string, string>,
  typed: { email: string | undefined; terms: string },
): string | undefined {
  const { domains, stamp, signUp, ttl, termsUrl } = registration;
  const age = stamp.age(ctx, uid, form.stamp ?? '');
  const { email } = typed;
  if (email === undefined) return form.email?.trim() ? 'email_invalid' : 'email_missing';
  if (!domains.allows(email)) return 'domain_refused';
  if (termsUrl !== undefined && typed.terms === '') return 'terms_missing';
  if (age < signUp.minSeconds || age > ttl) return 'too_fast';
  return undefined;
}

/**
 * Keeps what was typed and sends a code. The same form sent again, at once or by way of the back
 * button, sends no second mail: its newest password counts.
 */
async function keepPending(
  registration: Registration,
  ctx: Context,
  trx: Trx,
  interaction: Interaction,
  { typed, email, pending }: { typed: Record<string, string>; email: string; pending: Pending },
): Promise<'register' | undefined> {
  const { signIn } = registration;
  const { uid } = interaction;
  const keys = [mailboxKey(email)];
  const reservation = await reserve(trx, keys);
  // Holds the sign-in until the end, so that forms of one that are sent at once come one by one.
  await signIn.change(trx, uid, { identifier: typed.email ?? null, form: typed });
  const sent = await findCode(trx, 'sign-up', hashToken(uid));
  const next = { step: 'verify-email', error: null, error_page: null, retry_after: null };
  const same = sent?.data.form === pending.form && sent.address === email;
  if (sent !== undefined && same && !sent.used && !sent.expired) {
    if (reservation.ok) await takeBack(trx, keys);
    await updateCodeData(trx, sent.id, { ...pending, refused: sent.data.refused });
    await signIn.change(trx, uid, next);
    return undefined;
  }
  if (!reservation.ok) {
    await signIn.change(trx, uid, {
      error: 'throttled',
      error_page: 'register',
      retry_after: reservation.retryAfter,
    });
    return 'register';
  }
  await sendCode(registration, trx, interaction, email, pending);
  if (pending.refused) {
    const data = { reason: 'honeypot' };
    const { clientId } = interaction;
    await record(trx, originOf(ctx), { type: 'sign_up.refused', clientId, data });
  }
  await signIn.change(trx, uid, next);
  return undefined;
}
