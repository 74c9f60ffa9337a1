import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import type { PageName } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { FactorPages, FactorSignIn, FactorStep } from '../mfa/factor.ts';
import { tellFactorChange } from '../mfa/notices.ts';
import { triesKey } from '../mfa/tries.ts';
import { release, reserve } from '../throttle/throttle.ts';
import { hashCode, readCode } from './codes.ts';
import { confirmDraft, type RecoveryCodeParts, showDraft } from './draft.ts';
import { findCodesFacts, findUse, useCode } from './store.ts';

export type RecoveryCodeSignInParts = RecoveryCodeParts & {
  devices: DeviceCookie;
  signIn: FactorSignIn;
};

/**
 * What recovery codes bring to signing in, below /interaction/:uid:
 *
 *   recovery-code    one of them, in place of a second factor that is not at hand
 *   recovery-codes   ten of them to keep, once a second factor was turned on
 */
export function recoveryCodePages(parts: RecoveryCodeSignInParts): FactorPages {
  return {
    pages: {
      'recovery-code': async () => ({}),
      'recovery-codes': (step) => showDraft(parts, step),
    },
    actions: {
      'recovery-code': { page: 'recovery-code', act: (step, form) => prove(parts, step, form) },
      'recovery-codes': { page: 'recovery-codes', act: (step, form) => keep(parts, step, form) },
    },
  };
}

async function prove(
  parts: RecoveryCodeSignInParts,
  step: FactorStep,
  { code = '' }: Record<string, string>,
): Promise<PageName | undefined> {
  const { ctx, uid, user, clientId } = step;
  if (user === undefined) return undefined;
  return transaction(parts.deps.db, async (trx) => {
    const refuse = async (error: string, retryAfter: number | null = null): Promise<PageName> => {
      const page = 'recovery-code';
      const change = { step: page, error, error_page: page, retry_after: retryAfter };
      await parts.signIn.change(trx, uid, change);
      if (error === 'code_missing') return page;
      const data = { reason: error === 'throttled' ? error : 'wrong_code' } as const;
      const event = { type: 'sign_in.failed', userId: user.id, clientId, data } as const;
      await record(trx, originOf(ctx), event);
      return page;
    };
    if (readCode(code) === '') return refuse('code_missing');
    const keys = [await triesKey(trx, user.id, parts.devices.read(ctx))];
    const reservation = await reserve(trx, keys);
    if (!reservation.ok) return refuse('throttled', reservation.retryAfter);

    const [hash, request] = [hashCode(code), hashToken(uid)];
    if (!(await useCode(trx, user.id, hash, request))) {
      // The same form, sent before.
      if (!(await findUse(trx, user.id, hash))?.equals(request)) return refuse('code_wrong');
      await release(trx, keys);
      return undefined;
    }
    await release(trx, keys);
    const { left } = await findCodesFacts(trx, user.id);
    const origin = originOf(ctx, `user:${user.id}`);
    const data = { left };
    await record(trx, origin, { type: 'recovery_code.used', userId: user.id, clientId, data });
    const locale = parts.renderer.localeOf(ctx);
    await tellFactorChange(trx, parts, user, { kind: 'recovery-code-used', left }, locale);
    await parts.signIn.prove(ctx, trx, step, user, { factor: 'recovery-code' });
    return undefined;
  });
}

async function keep(
  parts: RecoveryCodeSignInParts,
  { ctx, uid, user }: FactorStep,
  { draft = '' }: Record<string, string>,
): Promise<PageName | undefined> {
  if (user === undefined) return undefined;
  const origin = originOf(ctx, `user:${user.id}`);
  const locale = parts.renderer.localeOf(ctx);
  if (await confirmDraft(parts, { user, uid, origin, locale }, draft)) return undefined;
  const page = 'recovery-codes';
  const change = { error: 'expired', error_page: page, retry_after: null };
  await transaction(parts.deps.db, (trx) => parts.signIn.change(trx, uid, change));
  return page;
}
