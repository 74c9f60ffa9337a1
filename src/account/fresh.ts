import type { Context } from 'koa';
import { rankOf } from '../mfa/acr.ts';
import { FRESH, rankRequired, usableFactors } from '../mfa/policy.ts';
import { hadFactorAt } from '../mfa/store.ts';
import type { User } from '../users/store.ts';
import type { AccountParts, Session } from './account.ts';

const TWO_FACTORS = 'urn:plinto:acr:2fa';

/**
 * Whether somebody signed in short enough ago for what is dangerous, and with a second factor if they
 * had one: a browser that is remembered in place of it isn't enough. Who just turned one on isn't
 * asked for it at once.
 */
export async function isFresh(
  parts: Pick<AccountParts, 'deps' | 'mfa'>,
  { session, user }: { session: Session; user: User },
): Promise<boolean> {
  const now = Math.floor(parts.deps.now().getTime() / 1000);
  if (now - session.signedInAt > FRESH) return false;
  if (rankOf(session.acr) >= rankOf(TWO_FACTORS)) return true;
  const factors = usableFactors(parts.mfa, user);
  if (factors.length === 0) return true;
  return !(await hadFactorAt(parts.deps.db, user.id, factors, session.signedInAt));
}

/**
 * Whether a session is worth what policy asks of its owner: it may be of an app that asks for less, or
 * of before policy changed. The rule is that of every authorization request (oidc/policy/assurance.ts),
 * to which who falls short is sent; but who just turned a factor on isn't asked for it at once.
 */
export async function isEnough(
  { deps, mfa, trustedDevices }: Pick<AccountParts, 'deps' | 'mfa' | 'trustedDevices'>,
  ctx: Context,
  { session, user }: { session: Session; user: User },
): Promise<boolean> {
  if (rankOf(session.acr) >= rankRequired(mfa, undefined, user)) return true;
  if (!user.administrator && (await trustedDevices.isTrusted(deps.db, ctx, user.id))) return true;
  const factors = usableFactors(mfa, user);
  const now = Math.floor(deps.now().getTime() / 1000);
  if (factors.length === 0 || now - session.signedInAt > FRESH) return false;
  return !(await hadFactorAt(deps.db, user.id, factors, session.signedInAt));
}

/** What a sign-in has to be asked for, to be fresh. */
export function freshnessFor(parts: Pick<AccountParts, 'mfa'>, user: User): Record<string, string> {
  const acr = usableFactors(parts.mfa, user).length > 0 ? { acr_values: TWO_FACTORS } : {};
  return { max_age: String(FRESH), ...acr };
}

/**
 * An ordinary authorization request, whose `state` is the page to come back to.
 *
 * @param more what else is asked of it.
 */
export function signInUrl(
  { issuer, clientId }: Pick<AccountParts, 'issuer' | 'clientId'>,
  back: string,
  more: Record<string, string> = {},
): string {
  const params = new URLSearchParams({
    client_id: clientId,
    response_type: 'none',
    scope: 'openid',
    redirect_uri: `${issuer}/account/callback`,
    state: back,
    ...more,
  });
  return `${issuer}/authorize?${params}`;
}
