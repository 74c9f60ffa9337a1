import { transaction } from '../db/pool.ts';
import type { Db, Trx } from '../deps.ts';
import type { FactorAccount, FactorSummary, FactorVisit } from '../mfa/factor.ts';
import { mustKeep } from '../mfa/must-keep.ts';
import { recordFactorChange } from '../mfa/notices.ts';
import { momentFormat } from '../users/moments.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import { confirmEnrolment, showEnrolment } from './enrol.ts';
import { TOTP_ERRORS } from './pages.ts';
import { findCredential, removeCredential } from './store.ts';
import type { TotpParts } from './totp.ts';

export type TotpAccountParts = TotpParts & {
  /** Whether a person has recovery codes left; joined in app.ts. */
  hasRecoveryCodes: (db: Db, userId: string) => Promise<boolean>;
};

type Problem = { key: string; drift?: number };

/** The page on which a person sets an authenticator app up, or turns it off (/remove). */
export function totpAccount(account: FactorAccount, parts: TotpAccountParts): void {
  const { db } = parts.deps;
  account.page('/totp', { fresh: true }, (visit) => show(parts, visit));
  account.action('/totp', { fresh: true }, async (visit, form) => {
    const { user, session, origin, ctx } = visit;
    if (!isOffered(parts)) {
      await show(parts, visit, { key: 'off' });
      return undefined;
    }
    const locale = parts.renderer.localeOf(ctx);
    const enrolment = { user, uid: session.uid, origin, locale };
    const outcome = await confirmEnrolment(parts, enrolment, form.code ?? '');
    if (outcome.kind === 'done' || outcome.kind === 'again') {
      // Without them, who loses the app is locked out.
      const safe = await parts.hasRecoveryCodes(db, user.id);
      return safe ? '/totp?done=totp_on' : '/recovery-codes/new?done=totp_on';
    }
    const drift = outcome.kind === 'drift' ? { drift: outcome.seconds } : {};
    await show(parts, visit, { key: TOTP_ERRORS[outcome.kind], ...drift });
    return undefined;
  });
  account.action('/totp/remove', { fresh: true, back: '/totp' }, async (visit) => {
    const problem = await transaction(db, (trx) => turnOff(trx, parts, visit));
    if (problem === undefined) return '/totp?done=totp_off';
    await show(parts, visit, { key: problem });
    return undefined;
  });
}

/** Whether apps may be set up here; who has one from before can still turn it off. */
function isOffered({ mfa }: TotpAccountParts): boolean {
  return mfa.factors.includes('totp');
}

/** The row of the app on the page that lists how a person signs in. */
export async function totpSummary(db: Db, user: User): Promise<FactorSummary> {
  const credential = await findCredential(db, user.id);
  const on = credential !== undefined;
  return { factor: 'totp', on, lastUsed: credential?.last_used_at ?? null, path: '/totp' };
}

async function show(parts: TotpAccountParts, visit: FactorVisit, error?: Problem): Promise<void> {
  const { user, session, ctx } = visit;
  const credential = await findCredential(parts.deps.db, user.id);
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const enrols = credential === undefined && isOffered(parts);
  const locals = {
    on: credential !== undefined,
    since: credential && say(credential.created_at),
    lastUsed: credential?.last_used_at && say(credential.last_used_at),
    ...(enrols ? await showEnrolment(parts, { user, uid: session.uid }) : {}),
    error: error?.key,
    drift: error?.drift,
  };
  visit.show('account-totp', locals, error === undefined ? 200 : 422);
}

/** Recovery codes go with the last factor, which the database sees to: a sheet from before opens nothing. */
async function turnOff(
  trx: Trx,
  parts: TotpAccountParts,
  { ctx, user: visitor, origin }: FactorVisit,
): Promise<'last_factor' | undefined> {
  const user = await lockActiveUser(trx, visitor.id);
  if (user === undefined) return undefined;
  if (mustKeep(parts.mfa, user, 'totp')) return 'last_factor';
  if (!(await removeCredential(trx, user.id))) return undefined;
  const by = { user, origin, locale: parts.renderer.localeOf(ctx) };
  await recordFactorChange(trx, parts, by, { kind: 'removed', factor: 'totp' });
  return undefined;
}
