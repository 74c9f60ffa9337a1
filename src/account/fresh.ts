import { rankOf } from '../mfa/acr.ts';
import { usableFactors } from '../mfa/policy.ts';
import type { User } from '../users/store.ts';
import type { AccountParts, Session } from './account.ts';

/** Seconds after a sign-in in which what is dangerous may be done without another (login.md). */
const FRESH = 600;

const TWO_FACTORS = 'urn:plinto:acr:2fa';

/**
 * Whether somebody signed in short enough ago for what is dangerous, and with a second factor if they
 * have one: a browser that is remembered in place of it isn't enough.
 */
export function isFresh(
  parts: Pick<AccountParts, 'deps' | 'mfa'>,
  { session, user }: { session: Session; user: User },
): boolean {
  const now = Math.floor(parts.deps.now().getTime() / 1000);
  if (now - session.signedInAt > FRESH) return false;
  return !hasSecondFactor(parts, user) || rankOf(session.acr) >= rankOf(TWO_FACTORS);
}

/** What a sign-in has to be asked for, to be fresh. */
export function freshnessFor(parts: Pick<AccountParts, 'mfa'>, user: User): Record<string, string> {
  const acr = hasSecondFactor(parts, user) ? { acr_values: TWO_FACTORS } : {};
  return { max_age: String(FRESH), ...acr };
}

function hasSecondFactor({ mfa }: Pick<AccountParts, 'mfa'>, user: User): boolean {
  return usableFactors(mfa, user).length > 0;
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
