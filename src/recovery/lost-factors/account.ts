import { transaction } from '../../db/pool.ts';
import type { FactorAccount } from '../../mfa/factor.ts';
import type { User } from '../../users/store.ts';
import { cancelFactorRecovery } from './cancel.ts';
import type { LostFactorsParts } from './lost-factors.ts';
import { findRecovery } from './store.ts';

/** Lets a person who is signed in call off a recovery that is not theirs, or not needed any more. */
export function lostFactorsAccount(account: FactorAccount, parts: LostFactorsParts): void {
  if (parts.recoveryDelayHours === 0) return;
  account.action('/lost-factors', { back: '' }, async ({ ctx, user, origin }) => {
    const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
    await transaction(parts.deps.db, (trx) => cancelFactorRecovery(trx, tools, origin, user));
    return '?done=recovery_cancelled';
  });
}

/** When the recovery of somebody is ready, if one is under way. */
export async function findReadyAt(
  { deps, recoveryDelayHours }: Pick<LostFactorsParts, 'deps' | 'recoveryDelayHours'>,
  user: User,
): Promise<Date | undefined> {
  if (recoveryDelayHours === 0) return undefined;
  return (await findRecovery(deps.db, user.id))?.ready_at;
}
