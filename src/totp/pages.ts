import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { PageName } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { FactorPages, FactorStep } from '../mfa/factor.ts';
import { confirmEnrolment, type EnrolOutcome, showEnrolment } from './enrol.ts';
import { type CodeOutcome, enterCode } from './enter-code.ts';
import type { TotpSignInParts } from './totp.ts';

/**
 * What authenticator apps bring to signing in, below /interaction/:uid:
 *
 *   totp         the code of the person's app
 *   enrol-totp   set one up, where a second factor is required and they have none
 */
export function totpPages(parts: TotpSignInParts): FactorPages {
  return {
    pages: {
      totp: async ({ form }) => ({ drift: Number(form.drift) }),
      'enrol-totp': async ({ uid, user, form }) => ({
        ...(await showEnrolment(parts, { user, uid })),
        drift: Number(form.drift),
      }),
    },
    actions: {
      totp: { page: 'totp', act: (step, form) => prove(parts, step, form) },
      'enrol-totp': { page: 'enrol-totp', act: (step, form) => enrol(parts, step, form) },
    },
  };
}

async function prove(
  parts: TotpSignInParts,
  step: FactorStep,
  { code = '', remember }: Record<string, string>,
): Promise<PageName | undefined> {
  const { ctx, uid, user } = step;
  if (user === undefined) return undefined;
  return transaction(parts.deps.db, async (trx) => {
    const device = parts.devices.read(ctx);
    const outcome = await enterCode(trx, parts, { userId: user.id, uid, code, device });
    if (outcome.kind === 'again') return undefined;
    if (outcome.kind === 'right') {
      const proof = { factor: 'totp', ...(remember === 'yes' && { remember: true }) } as const;
      await parts.signIn.prove(ctx, trx, step, user, proof);
      return undefined;
    }
    if (outcome.kind !== 'missing') {
      const reason = outcome.kind === 'throttled' ? 'throttled' : 'wrong_code';
      const { clientId } = step;
      const event = {
        type: 'sign_in.failed',
        userId: user.id,
        clientId,
        data: { reason },
      } as const;
      await record(trx, originOf(ctx), event);
    }
    await parts.signIn.change(trx, uid, problemOn('totp', outcome));
    return 'totp';
  });
}

async function enrol(
  parts: TotpSignInParts,
  step: FactorStep,
  { code = '' }: Record<string, string>,
): Promise<PageName | undefined> {
  const { ctx, uid, user } = step;
  if (user === undefined) return undefined;
  const origin = originOf(ctx, `user:${user.id}`);
  const enrolment = { user, uid, origin, locale: parts.renderer.localeOf(ctx) };
  const outcome = await confirmEnrolment(parts, enrolment, code, (trx) =>
    parts.signIn.prove(ctx, trx, step, user, { factor: 'totp', enrolled: true }),
  );
  if (outcome.kind === 'done' || outcome.kind === 'again') return undefined;
  await transaction(parts.deps.db, (trx) =>
    parts.signIn.change(trx, uid, problemOn('enrol-totp', outcome)),
  );
  return 'enrol-totp';
}

/** By the names under which the pages have words for them. */
export const TOTP_ERRORS = {
  missing: 'code_missing',
  wrong: 'code_wrong',
  used: 'code_used',
  drift: 'code_drift',
  throttled: 'throttled',
  expired: 'expired',
  exists: 'exists',
} as const;

type Outcome = CodeOutcome | EnrolOutcome;
type Problem = Extract<Outcome, { kind: keyof typeof TOTP_ERRORS }>;

function problemOn(page: PageName, outcome: Problem) {
  return {
    step: page,
    error: TOTP_ERRORS[outcome.kind],
    error_page: page,
    retry_after: outcome.kind === 'throttled' ? outcome.retryAfter : null,
    form: outcome.kind === 'drift' ? { drift: String(outcome.seconds) } : {},
  };
}
