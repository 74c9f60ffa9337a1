/**
 * A sign-in, from first page to token:
 *
 *   GET  /interaction/:uid            show the page nextStep says
 *   POST /interaction/:uid/login      identifier + password   -> Proof
 *   POST /interaction/:uid/password   password of the person signed in -> Proof
 *   POST /interaction/:uid/new-password  another password, where theirs must change -> Proof
 *   GET  /interaction/:uid/<page>     show that page, if it is offered, due or under way
 *   POST /interaction/:uid/switch     go on as somebody else
 *   POST /interaction/:uid/consent    agree                   -> grant
 *   POST /interaction/:uid/abort      give up                 -> access_denied to the client
 *
 * registration/ and recovery/ bring pages and forms of their own (LoginPages), as each second factor
 * does (FactorPages), and hand back Proofs. Every POST answers 303 back to the interaction or, when
 * nothing is missing any more, on to the client.
 */
import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import { isKnownDevice } from '../devices/store.ts';
import { originOf } from '../http/request-meta.ts';
import { holdPassword } from '../password/store.ts';
import { verifyPassword } from '../password/verify-password.ts';
import {
  addressKey,
  release,
  reserve,
  strangersKey,
  type ThrottleKey,
  takeBack,
} from '../throttle/throttle.ts';
import { canonicalIdentifier } from '../users/identifiers.ts';
import type { User } from '../users/store.ts';
import type { Interaction } from './interaction.ts';
import type { SignIn } from './sign-in.ts';
import type { StateParts } from './state.ts';
import type { LoginAttempt } from './store.ts';

export type LoginParts = StateParts & {
  hasher: PasswordHasher;
  devices: DeviceCookie;
  signIn: SignIn;
  /** Seconds an attempt is kept. */
  ttl: number;
};

/** Changes the attempt of an interaction. */
export function changeAttempt(
  { deps, signIn }: LoginParts,
  interaction: Interaction,
  change: Partial<LoginAttempt>,
): Promise<void> {
  return transaction(deps.db, (trx) => signIn.change(trx, interaction.uid, change));
}

/** Who somebody says they are, and the password that shall prove it. */
export type Claim = {
  /** As it was typed, to be shown again. */
  identifier: string;
  /** Whom it names, if anybody. */
  user: User | undefined;
  password: string;
  /** The browser says that it can keep passkeys. */
  canPasskey: boolean;
};

/**
 * Proves a person by password. Tries are counted before the password is looked at; what went wrong
 * is kept in the attempt, in words that don't tell whether the person exists.
 *
 * @throws AppError busy when too many sign in at once; nothing is counted then.
 */
export async function provePassword(
  parts: LoginParts,
  ctx: Context,
  interaction: Interaction,
  claim: Claim,
): Promise<void> {
  const { db } = parts.deps;
  const keys = await throttleKeys(parts, ctx, claim);
  const reservation = await transaction(db, async (trx) => {
    const result = await reserve(trx, keys);
    if (!result.ok) {
      await refuse(parts, ctx, trx, interaction, claim, {
        reason: 'throttled',
        retryAfter: result.retryAfter,
      });
    }
    return result;
  });
  if (!reservation.ok) return;

  const outcome = await verifyPassword(db, parts.hasher, claim.user, claim.password).catch(
    async (error) => {
      await transaction(db, (trx) => takeBack(trx, keys));
      throw error;
    },
  );
  await transaction(db, async (trx) => {
    if (!outcome.ok) return refuse(parts, ctx, trx, interaction, claim, outcome);
    const { user, mustChange, setAt } = outcome;
    // Hashing takes its time, in which a thief's password may have been replaced.
    if (!(await holdPassword(trx, user.id, setAt))) {
      const reason = 'wrong_password';
      return refuse(parts, ctx, trx, interaction, claim, { reason, userId: user.id });
    }
    await release(trx, keys);
    await parts.signIn.prove(ctx, trx, interaction, user, {
      factor: 'password',
      ...(mustChange && { mustChange }),
    });
    if (claim.canPasskey) await parts.signIn.change(trx, interaction.uid, { can_passkey: true });
  });
}

type Refusal = {
  reason: 'unknown_user' | 'wrong_password' | 'suspended' | 'throttled';
  userId?: string;
  retryAfter?: number;
};

async function refuse(
  parts: LoginParts,
  ctx: Context,
  trx: Trx,
  interaction: Interaction,
  claim: Claim,
  { reason, userId, retryAfter }: Refusal,
): Promise<void> {
  const { clientId } = interaction;
  const who = userId === undefined ? {} : { userId };
  await record(trx, originOf(ctx), { type: 'sign_in.failed', ...who, clientId, data: { reason } });
  await parts.signIn.change(trx, interaction.uid, {
    identifier: claim.identifier,
    error: reason === 'throttled' ? reason : 'credentials',
    error_page: null,
    retry_after: retryAfter ?? null,
  });
}

/**
 * A browser in which this account signed in before has a count of its own and shares none, so that a
 * stranger who tries passwords, even from the same network, can't lock its owner out.
 */
async function throttleKeys(
  parts: LoginParts,
  ctx: Context,
  { user, identifier }: Claim,
): Promise<ThrottleKey[]> {
  const device = parts.devices.read(ctx);
  if (device && (await isKnownDevice(parts.deps.db, device, user?.id)) && user) {
    return [{ scope: 'account', id: `${user.id} ${device.toString('base64url')}` }];
  }
  const account = user?.id ?? canonicalIdentifier(identifier).toLowerCase();
  return [strangersKey(account), addressKey(ctx.ip)];
}
