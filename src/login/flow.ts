/**
 * A sign-in, from first page to token:
 *
 *   GET  /interaction/:uid            show the page nextStep says
 *   POST /interaction/:uid/login      identifier + password   -> Proof
 *   POST /interaction/:uid/password   password of the person signed in -> Proof
 *   POST /interaction/:uid/switch     go on as somebody else
 *   POST /interaction/:uid/consent    agree                   -> grant
 *   POST /interaction/:uid/abort      give up                 -> access_denied to the client
 *
 * Every POST answers 303 back to the interaction or, when it is done, on to the client.
 */
import type { Context } from 'koa';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps, Trx } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import { isKnownDevice, rememberDevice } from '../devices/store.ts';
import { originOf } from '../http/request-meta.ts';
import { type PasswordOutcome, verifyPassword } from '../password/verify-password.ts';
import { addressKey, release, reserve, type ThrottleKey } from '../throttle/throttle.ts';
import { findUserByIdentifier } from '../users/store.ts';
import type { Interaction } from './interaction.ts';
import { ACR_ONE_FACTOR, type LoginState, type Proof } from './next-step.ts';
import { findAttempt, type LoginAttempt, saveAttempt } from './store.ts';

export type LoginParts = {
  deps: Deps;
  hasher: PasswordHasher;
  devices: DeviceCookie;
  /** Seconds an attempt is kept. */
  ttl: number;
};

/** Reasons for which the person signed in is not who the request wants. */
const WRONG_PERSON = new Set(['id_token_hint', 'claims_id_token_sub_value']);

/** Everything nextStep decides from. */
export function stateOf(interaction: Interaction, attempt: LoginAttempt): LoginState {
  return {
    prompt: interaction.prompt,
    sessionUserId: interaction.sessionUserId,
    otherAccount: attempt.switched || interaction.reasons.some((r) => WRONG_PERSON.has(r)),
    proofs: attempt.proofs,
  };
}

/** The attempt that belongs to an interaction. */
export function attemptOf(parts: LoginParts, interaction: Interaction): Promise<LoginAttempt> {
  return findAttempt(parts.deps.db, hashToken(interaction.uid));
}

/** Changes the attempt of an interaction. */
export function changeAttempt(
  parts: LoginParts,
  interaction: Interaction,
  change: Partial<LoginAttempt>,
): Promise<void> {
  return transaction(parts.deps.db, (trx) => save(parts, trx, interaction, change));
}

function save(
  parts: LoginParts,
  trx: Trx,
  interaction: Interaction,
  change: Partial<LoginAttempt>,
): Promise<void> {
  return saveAttempt(trx, hashToken(interaction.uid), parts.ttl, change);
}

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
  input: { identifier: string; password: string },
): Promise<void> {
  const { deps } = parts;
  const origin = originOf(ctx);
  const keys = await throttleKeys(parts, ctx, input.identifier);
  const reservation = await transaction(deps.db, async (trx) => {
    const result = await reserve(trx, keys);
    if (!result.ok) {
      await recordFailure(trx, origin, interaction, { reason: 'throttled' });
      const { retryAfter: retry_after } = result;
      await save(parts, trx, interaction, {
        identifier: input.identifier,
        error: 'throttled',
        retry_after,
      });
    }
    return result;
  });
  if (!reservation.ok) return;

  const outcome = await verifyPassword(
    deps.db,
    parts.hasher,
    input.identifier,
    input.password,
  ).catch(async (error) => {
    await transaction(deps.db, (trx) =>
      release(
        trx,
        keys.filter((k) => k.scope === 'address'),
      ),
    );
    throw error;
  });
  const device = outcome.ok ? parts.devices.ensure(ctx, deps.randomBytes) : undefined;
  await transaction(deps.db, async (trx) => {
    if (!outcome.ok) return refuse(parts, trx, origin, interaction, input.identifier, outcome);
    const at = Math.floor(deps.now().getTime() / 1000);
    const proof: Proof = { userId: outcome.user.id, amr: ['pwd'], at };
    await release(trx, keys);
    if (device) await rememberDevice(trx, device, outcome.user.id);
    await save(parts, trx, interaction, { proofs: [proof], error: null, retry_after: null });
    await record(
      trx,
      { ...origin, actor: `user:${outcome.user.id}` },
      {
        type: 'sign_in.succeeded',
        userId: outcome.user.id,
        clientId: interaction.clientId,
        data: { amr: proof.amr, acr: ACR_ONE_FACTOR },
      },
    );
  });
}

async function refuse(
  parts: LoginParts,
  trx: Trx,
  origin: Origin,
  interaction: Interaction,
  identifier: string,
  outcome: Extract<PasswordOutcome, { ok: false }>,
): Promise<void> {
  const { reason, userId } = outcome;
  await recordFailure(trx, origin, interaction, { reason, ...(userId ? { userId } : {}) });
  await save(parts, trx, interaction, { identifier, error: 'credentials', retry_after: null });
}

async function recordFailure(
  trx: Trx,
  origin: Origin,
  interaction: Interaction,
  failure: {
    reason: 'unknown_user' | 'wrong_password' | 'suspended' | 'throttled';
    userId?: string;
  },
): Promise<void> {
  const { reason, ...who } = failure;
  const { clientId } = interaction;
  await record(trx, origin, { type: 'sign_in.failed', ...who, clientId, data: { reason } });
}

/**
 * A browser in which this account signed in before has its own count, so that a stranger who tries
 * passwords elsewhere can't lock its owner out.
 */
async function throttleKeys(
  parts: LoginParts,
  ctx: Context,
  identifier: string,
): Promise<ThrottleKey[]> {
  const { db } = parts.deps;
  const device = parts.devices.read(ctx);
  const user = await findUserByIdentifier(db, identifier);
  const known = device && user && (await isKnownDevice(db, device, user.id));
  const where = known ? device.toString('base64url') : 'elsewhere';
  const account = user?.id ?? identifier.toLowerCase();
  return [{ scope: 'account', id: `${account} ${where}` }, addressKey(ctx.ip)];
}
