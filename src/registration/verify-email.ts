import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { originOf } from '../http/request-meta.ts';
import {
  type CodeOutcome,
  findLink,
  redeemCode,
  redeemLink,
} from '../one-time-codes/redeem-code.ts';
import { findCode, type OneTimeCode } from '../one-time-codes/store.ts';
import { upsertPassword } from '../password/store.ts';
import { addressKey, release, reserve, takeBack } from '../throttle/throttle.ts';
import { createUser } from '../users/create-user.ts';
import { updateUser } from '../users/store.ts';
import { mailboxKey, type Pending, sendCode } from './pending.ts';
import type { Interaction, Registration } from './registration.ts';
import { updateCodeData } from './store.ts';

/**
 * Takes the code or link of a sign-up, which makes the user and signs them in. The same form sent
 * again finds that done.
 */
export async function verifyEmail(
  registration: Registration,
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
): Promise<'register' | undefined> {
  const { deps, signIn, codes } = registration;
  const { uid } = interaction;
  const { code: typed = '', link } = form;
  const result = await transaction(deps.db, async (trx) => {
    const sent = await findCode(trx, 'sign-up', hashToken(uid));
    if (sent === undefined) return startOver(registration, trx, uid);
    // Holds the sign-in, so that forms sent at once come one by one.
    await signIn.change(trx, uid, { step: 'verify-email' });
    if (link === undefined && typed.trim() === '') {
      await showError(registration, trx, uid, 'code_missing');
      return undefined;
    }
    const outcome =
      link === undefined
        ? await redeemCode(trx, codes.keys, { purpose: 'sign-up', request: uid, code: typed })
        : await redeemOwnLink(trx, sent, link);
    if (outcome.ok) return createAccount(registration, ctx, trx, interaction, outcome.code);
    await refuse(registration, ctx, trx, uid, outcome);
    return undefined;
  });
  // A transaction of its own: within the first, it would wait for forms that wait for this sign-in.
  if (result === 'created') await transaction(deps.db, (trx) => release(trx, [addressKey(ctx.ip)]));
  return result === 'register' ? result : undefined;
}

/** Sends another code for the same sign-up, once however often the button was pressed. */
export async function resendCode(
  registration: Registration,
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
): Promise<'register' | undefined> {
  const { deps, signIn } = registration;
  const { uid } = interaction;
  const request = hashToken(uid);
  return transaction(deps.db, async (trx) => {
    const address = (await findCode(trx, 'sign-up', request))?.address;
    if (typeof address !== 'string') return startOver(registration, trx, uid);
    const keys = [mailboxKey(address), addressKey(ctx.ip)];
    const reservation = await reserve(trx, keys);
    await signIn.change(trx, uid, { step: 'verify-email' });
    const sent = await findCode(trx, 'sign-up', request);
    if (sent === undefined || sent.used || sent.id !== form.sent) {
      if (reservation.ok) await takeBack(trx, keys);
    } else if (!reservation.ok) {
      await showError(registration, trx, uid, 'throttled', reservation.retryAfter);
    } else {
      const pending = sent.data as Pending;
      await sendCode(registration, trx, interaction, address, pending);
      const { given_name, family_name } = pending;
      await signIn.change(trx, uid, {
        form: { email: address, given_name, family_name, resent: 'yes' },
        error: null,
        error_page: null,
        retry_after: null,
      });
    }
    return undefined;
  });
}

/** A link works in the sign-up that asked for it, and in no other. */
async function redeemOwnLink(trx: Trx, sent: OneTimeCode, token: string): Promise<CodeOutcome> {
  const link = await findLink(trx, 'sign-up', token);
  if (link?.id !== sent.id) return { ok: false, reason: 'expired' };
  return redeemLink(trx, 'sign-up', token);
}

async function createAccount(
  { signIn }: Registration,
  ctx: Context,
  trx: Trx,
  interaction: Interaction,
  code: OneTimeCode,
): Promise<'created' | undefined> {
  const pending = code.data as Pending;
  const { uid, clientId } = interaction;
  const created = await createUser(trx, originOf(ctx), {
    email: code.address ?? '',
    emailVerified: true,
    administrator: false,
    profile: {
      given_name: pending.given_name || null,
      family_name: pending.family_name || null,
      locale: pending.locale,
    },
  });
  // Used codes are kept a while; the hash of a password has no business there.
  await updateCodeData(trx, code.id, {});
  if (!created.ok) {
    // Somebody made an account for the address meanwhile. Whoever reads its mail may know.
    await signIn.change(trx, uid, {
      identifier: code.address,
      error: 'taken',
      error_page: 'verify-email',
      retry_after: null,
    });
    return undefined;
  }
  const { user } = created;
  await upsertPassword(trx, { user_id: user.id, hash: pending.hash });
  if (pending.terms) await updateUser(trx, user.id, { terms_accepted_at: trx.fn.now() });
  const origin = originOf(ctx, `user:${user.id}`);
  await record(trx, origin, { type: 'user.signed_up', userId: user.id, clientId });
  await signIn.prove(ctx, trx, interaction, user, { factor: 'password' });
  return 'created';
}

async function refuse(
  registration: Registration,
  ctx: Context,
  trx: Trx,
  uid: string,
  outcome: CodeOutcome & { ok: false },
): Promise<void> {
  const { reason } = outcome;
  // Its first use said all there is to say.
  if (reason === 'used') return;
  const data = { purpose: 'sign-up', reason };
  await record(trx, originOf(ctx), { type: 'code.refused', data });
  await showError(
    registration,
    trx,
    uid,
    reason,
    reason === 'throttled' ? outcome.retryAfter : null,
  );
}

async function showError(
  { signIn }: Registration,
  trx: Trx,
  uid: string,
  error: string,
  retryAfter: number | null = null,
): Promise<void> {
  await signIn.change(trx, uid, { error, error_page: 'verify-email', retry_after: retryAfter });
}

/** For a sign-up of which nothing is left: too old, or overtaken by another of the same address. */
async function startOver({ signIn }: Registration, trx: Trx, uid: string): Promise<'register'> {
  await signIn.change(trx, uid, {
    step: null,
    error: 'start_over',
    error_page: 'register',
    retry_after: null,
  });
  return 'register';
}
