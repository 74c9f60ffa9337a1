import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps, Trx } from '../deps.ts';
import { deviceName } from '../devices/describe-device.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import { rememberDevice } from '../devices/store.ts';
import type { TrustedDevices } from '../devices/trusted-devices.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { Mailer } from '../mail/mail.ts';
import { AMR, rankOf } from '../mfa/acr.ts';
import type { FactorProof } from '../mfa/factor.ts';
import { findPassword, holdPassword } from '../password/store.ts';
import { cancelDeletion } from '../users/deletion.ts';
import { findActiveUser, type User } from '../users/store.ts';
import type { Outcome, Proof } from './next-step.ts';
import { proofsThatHold } from './state.ts';
import { addProof, completeAttempt, findAttempt, type LoginAttempt, saveAttempt } from './store.ts';

/** The sign-in that an interaction waits for, as the slices see it that take part in it. */
export type SignIn = {
  /** Where it stands. */
  find: (uid: string) => Promise<LoginAttempt>;
  /** Changes where it stands. */
  change: (trx: Trx, uid: string, change: Partial<LoginAttempt>) => Promise<void>;
  /**
   * Notes that a person was proven by a factor. It alone may not be enough: nextStep says what is
   * missing, and nobody is signed in before it is `complete`. The same form sent twice proves once.
   */
  prove: (
    ctx: Context,
    trx: Trx,
    interaction: { uid: string; clientId: string },
    user: User,
    proof: FactorProof & Pick<Proof, 'mustChange'>,
  ) => Promise<void>;
  /**
   * Ends a sign-in of which nothing is missing: it is recorded, and the person told of it where it is
   * news. Sent twice, it is ended once.
   *
   * @param proven what it was decided by.
   * @returns false when that isn't so any more: a password or factor was changed meanwhile, or the same form
   *   sent at once has found that, or another sent at once begun anew.
   */
  complete: (
    ctx: Context,
    interaction: { uid: string; clientId: string },
    outcome: Outcome,
    proven: readonly Proof[],
  ) => Promise<boolean>;
};

export type SignInParts = {
  deps: Deps;
  devices: DeviceCookie;
  trustedDevices: TrustedDevices;
  mailer: Mailer;
  renderer: Renderer;
  issuer: string;
  placeHeader: string | undefined;
  /** Calls off that somebody gets in without their second factors: they have them. */
  cancelRecovery: (ctx: Context, trx: Trx, user: User) => Promise<void>;
  /** Seconds an attempt is kept. */
  ttl: number;
};

/** Keeps sign-ins in login_attempts, keyed by the hash of the interaction's uid. */
export function createSignIn(parts: SignInParts): SignIn {
  const { deps, ttl } = parts;
  return {
    find: (uid) => findAttempt(deps.db, hashToken(uid)),
    change: (trx, uid, change) => saveAttempt(trx, hashToken(uid), ttl, change),
    prove: async (_ctx, trx, { uid }, user, { factor, amr, ...facts }) => {
      const known = factor === 'passkey' ? [] : AMR[factor];
      const password = factor === 'password' ? await findPassword(trx, user.id) : undefined;
      await addProof(trx, hashToken(uid), ttl, {
        userId: user.id,
        factor,
        amr: amr ?? known,
        at: Math.floor(deps.now().getTime() / 1000),
        ...(password && { setAt: password.changed_at }),
        ...facts,
      });
    },
    complete: (ctx, { uid, clientId }, { accountId, amr, acr, organizationId }, proven) =>
      transaction(deps.db, async (trx) => {
        const id = hashToken(uid);
        const { proofs } = await findAttempt(trx, id);
        if (!proven.every((proof) => proofs.some((kept) => isSame(kept, proof)))) return false;
        const user = await findActiveUser(trx, accountId);
        if (user === undefined || !(await stillHold(trx, uid, proven))) {
          const error = { error: 'changed_meanwhile', error_page: null, retry_after: null };
          await saveAttempt(trx, id, ttl, { proofs: [], step: null, ...error });
          return false;
        }
        if (proven.length === 0 || !(await completeAttempt(trx, id))) return true;
        const origin = originOf(ctx, `user:${accountId}`);
        const data = { amr, acr };
        const about = { userId: user.id, clientId, ...(organizationId && { organizationId }) };
        await record(trx, origin, { type: 'sign_in.succeeded', ...about, data });
        if (rankOf(acr) > 1) await parts.cancelRecovery(ctx, trx, user);
        await welcome(parts, ctx, trx, { user, clientId, proofs: proven, strong: rankOf(acr) > 1 });
        return true;
      }),
  };
}

function isSame(a: Proof, b: Proof): boolean {
  return a.userId === b.userId && a.factor === b.factor && a.setAt === b.setAt;
}

/** Whether all of it is good still; the password, until the transaction ends. */
async function stillHold(trx: Trx, uid: string, proofs: readonly Proof[]): Promise<boolean> {
  for (const { userId, setAt } of proofs) {
    if (setAt !== undefined && !(await holdPassword(trx, userId, setAt))) return false;
  }
  const others = proofs.filter(({ factor }) => factor !== 'password');
  return (await proofsThatHold(trx, uid, others)).length === others.length;
}

type Complete = {
  user: User;
  clientId: string;
  proofs: readonly Proof[];
  /** With more than one factor. */
  strong: boolean;
};

/** What a sign-in brings with it: the browser is known from now on, and a deletion is off. */
async function welcome(
  parts: SignInParts,
  ctx: Context,
  trx: Trx,
  { user, clientId, proofs, strong }: Complete,
): Promise<void> {
  const { deps, devices, trustedDevices } = parts;
  const origin = originOf(ctx, `user:${user.id}`);
  const device = devices.ensure(ctx, deps.randomBytes);
  const newDevice = await rememberDevice(trx, device, user.id, strong);
  if (user.delete_after !== null) {
    const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
    await cancelDeletion(trx, tools, origin, user);
  }
  if (newDevice) {
    await record(trx, origin, { type: 'sign_in.new_device', userId: user.id, clientId });
    await warnOfDevice(parts, ctx, trx, user);
  }
  await trustedDevices.noteUse(trx, ctx, user.id);
  const days = trustedDevices.rememberDays;
  if (days > 0 && !user.administrator && proofs.some(({ remember }) => remember)) {
    await trustedDevices.trust(trx, ctx, user.id, deps.randomBytes);
    const data = { days };
    await record(trx, origin, { type: 'device.trusted', userId: user.id, clientId, data });
  }
}

async function warnOfDevice(parts: SignInParts, ctx: Context, trx: Trx, user: User): Promise<void> {
  if (user.email === null || !parts.mailer.enabled) return;
  await parts.mailer.queue(trx, {
    template: 'new-device',
    to: user.email,
    locale: user.locale ?? parts.renderer.localeOf(ctx),
    zone: user.zoneinfo ?? undefined,
    userId: user.id,
    vars: {
      device: deviceName(ctx.get('User-Agent')),
      place: parts.placeHeader === undefined ? '' : ctx.get(parts.placeHeader).slice(0, 100),
      at: parts.deps.now().toISOString(),
      url: `${parts.issuer}/account/sessions`,
    },
  });
}
