import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Deps, Trx } from '../deps.ts';
import { deviceName } from '../devices/describe-device.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import { rememberDevice } from '../devices/store.ts';
import type { Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { Mailer } from '../mail/mail.ts';
import { cancelDeletion } from '../users/deletion.ts';
import type { User } from '../users/store.ts';
import { ACR_ONE_FACTOR, type Proof } from './next-step.ts';
import { addProof, findAttempt, type LoginAttempt, saveAttempt } from './store.ts';

/** The sign-in that an interaction waits for, as the slices see it that take part in it. */
export type SignIn = {
  /** Where it stands. */
  find: (uid: string) => Promise<LoginAttempt>;
  /** Changes where it stands. */
  change: (trx: Trx, uid: string, change: Partial<LoginAttempt>) => Promise<void>;
  /**
   * Takes a person for proven by these methods (RFC 8176). The same form sent twice at once signs in
   * once. One who has to choose another password isn't signed in before that.
   */
  prove: (
    ctx: Context,
    trx: Trx,
    interaction: { uid: string; clientId: string },
    user: User,
    proof: Pick<Proof, 'amr' | 'mustChange'>,
  ) => Promise<void>;
};

export type SignInParts = {
  deps: Deps;
  devices: DeviceCookie;
  mailer: Mailer;
  renderer: Renderer;
  issuer: string;
  placeHeader: string | undefined;
  /** Seconds an attempt is kept. */
  ttl: number;
};

/** Keeps sign-ins in login_attempts, keyed by the hash of the interaction's uid. */
export function createSignIn(parts: SignInParts): SignIn {
  const { deps, ttl } = parts;
  return {
    find: (uid) => findAttempt(deps.db, hashToken(uid)),
    change: (trx, uid, change) => saveAttempt(trx, hashToken(uid), ttl, change),
    prove: async (ctx, trx, { uid, clientId }, user, { amr, mustChange }) => {
      const at = Math.floor(deps.now().getTime() / 1000);
      const proof: Proof = { userId: user.id, amr, at, ...(mustChange && { mustChange }) };
      if (mustChange !== undefined) {
        await addProof(trx, hashToken(uid), ttl, proof);
        return;
      }
      const device = parts.devices.ensure(ctx, deps.randomBytes);
      const newDevice = await rememberDevice(trx, device, user.id);
      if (!(await addProof(trx, hashToken(uid), ttl, proof))) return;
      const origin = { ...originOf(ctx), actor: `user:${user.id}` };
      await record(trx, origin, {
        type: 'sign_in.succeeded',
        userId: user.id,
        clientId,
        data: { amr, acr: ACR_ONE_FACTOR },
      });
      if (user.delete_after !== null) {
        const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
        await cancelDeletion(trx, tools, origin, user);
      }
      if (newDevice) {
        await record(trx, origin, { type: 'sign_in.new_device', userId: user.id, clientId });
        await warnOfDevice(parts, ctx, trx, user);
      }
    },
  };
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
