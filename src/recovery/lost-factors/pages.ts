import { transaction } from '../../db/pool.ts';
import type { FactorPages, FactorStep } from '../../mfa/factor.ts';
import { readDigits } from '../../mfa/read-digits.ts';
import { maskEmail } from '../../users/mask-address.ts';
import { momentFormat } from '../../users/moments.ts';
import type { User } from '../../users/store.ts';
import { finishRecovery, type Problem, sendCode } from './finish.ts';
import { type Asking, delayOf, type LostFactorsSteps, mayRecover } from './lost-factors.ts';
import { startRecovery } from './start.ts';
import { findRecovery } from './store.ts';

const PAGE = 'lost-factors';

/**
 * What signing in has for who lost their second factors, below /interaction/:uid: the page
 * lost-factors, which begins a recovery, says how long it takes, and finishes it with a mailed code.
 */
export function lostFactorsPages(parts: LostFactorsSteps): FactorPages {
  if (parts.recoveryDelayHours === 0) return { pages: {}, actions: {} };
  return {
    pages: { [PAGE]: (step) => describe(parts, step) },
    actions: { [PAGE]: { page: PAGE, act: (step, form) => act(parts, step, form) } },
  };
}

async function describe(parts: LostFactorsSteps, { ctx, user, form }: FactorStep & { user: User }) {
  const recovery = await findRecovery(parts.deps.db, user.id);
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const sent = form.sent === 'yes';
  return {
    state: recovery === undefined ? 'start' : !recovery.ready ? 'wait' : sent ? 'enter' : 'send',
    readyAt: recovery && say(recovery.ready_at),
    delay: delayOf(parts),
    email: maskEmail(user.email ?? ''),
  };
}

async function act(parts: LostFactorsSteps, step: FactorStep, form: Record<string, string>) {
  const { uid, user } = step;
  // A mailed code, which finishes it as well, is not enough to begin with.
  const byPassword = step.proven.includes('password');
  if (user === undefined || !byPassword || !mayRecover(parts, user)) return undefined;
  const asking = { ...step, user };
  return transaction(parts.deps.db, async (trx) => {
    const recovery = await findRecovery(trx, user.id);
    const change = (sent: boolean, problem?: Problem) =>
      parts.signIn.change(trx, uid, {
        step: PAGE,
        form: sent ? { sent: 'yes' } : {},
        error: problem?.error ?? null,
        error_page: PAGE,
        retry_after: problem?.retryAfter ?? null,
      });
    // What a button says is done only where the page would have that button.
    if (recovery === undefined) {
      const retryAfter = form.do === 'start' ? await startRecovery(trx, parts, asking) : undefined;
      await change(
        false,
        retryAfter === undefined ? undefined : { error: 'throttled', retryAfter },
      );
    } else if (recovery.ready && form.do === 'send') {
      await change(true, await sendCode(trx, parts, asking));
    } else if (recovery.ready && form.code !== undefined) {
      const problem = await tryCode(trx, parts, asking, form.code);
      await change(true, problem);
      return problem === undefined ? undefined : PAGE;
    }
    return PAGE;
  });
}

async function tryCode(
  trx: Parameters<typeof finishRecovery>[0],
  parts: LostFactorsSteps,
  asking: Asking,
  code: string,
): Promise<Problem | undefined> {
  if (readDigits(code) === '') return { error: 'code_missing' };
  return finishRecovery(trx, parts, asking, code);
}
