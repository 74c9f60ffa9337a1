import type { Db } from '../deps.ts';
import type { FactorAccount, FactorSummary, FactorVisit } from '../mfa/factor.ts';
import { momentFormat } from '../users/moments.ts';
import type { User } from '../users/store.ts';
import { confirmDraft, type RecoveryCodeParts, showDraft } from './draft.ts';
import { findCodesFacts } from './store.ts';

const PATH = '/recovery-codes';

/** So many or fewer: it is time for new ones. */
const FEW = 2;

/** How many recovery codes a person has left, and /new ones in their place. */
export function recoveryCodeAccount(account: FactorAccount, parts: RecoveryCodeParts): void {
  const showKept = async (visit: FactorVisit): Promise<void> => {
    const { ctx, user } = visit;
    const say = momentFormat(parts.renderer.localeOf(ctx), user);
    const { left, createdAt, lastUsedAt } = await findCodesFacts(parts.deps.db, user.id);
    visit.show('account-recovery-codes', {
      left,
      possible: user.factors.length > 0,
      few: left <= FEW,
      createdAt: createdAt && say(createdAt),
      lastUsedAt: lastUsedAt && say(lastUsedAt),
    });
  };
  account.page(PATH, { fresh: true }, showKept);
  // There is nothing yet that they would stand in for.
  account.page(`${PATH}/new`, { fresh: true }, (visit) =>
    visit.user.factors.length > 0 ? showNew(parts, visit) : showKept(visit),
  );
  account.action(`${PATH}/new`, { fresh: true }, async (visit, form) => {
    const { user, session, origin, ctx } = visit;
    const by = { user, uid: session.uid, origin, locale: parts.renderer.localeOf(ctx) };
    if (await confirmDraft(parts, by, form.draft ?? '')) return `${PATH}?done=recovery_codes`;
    await showNew(parts, visit, 'expired');
    return undefined;
  });
}

async function showNew(
  parts: RecoveryCodeParts,
  visit: FactorVisit,
  error?: string,
): Promise<void> {
  const { ctx, user, session } = visit;
  const { left } = await findCodesFacts(parts.deps.db, user.id);
  const locals = {
    ...(await showDraft(parts, { ctx, user, uid: session.uid })),
    replaces: left > 0,
    error,
  };
  visit.show('account-recovery-codes', locals, error === undefined ? 200 : 422);
}

/** The row of recovery codes on the page that lists how a person signs in. */
export async function recoveryCodeSummary(db: Db, user: User): Promise<FactorSummary> {
  const { left, lastUsedAt } = await findCodesFacts(db, user.id);
  return { factor: 'recovery-code', on: left > 0, count: left, lastUsed: lastUsedAt, path: PATH };
}
