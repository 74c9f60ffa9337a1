import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Db, Deps } from '../../deps.ts';
import { rankOf } from '../../mfa/acr.ts';
import {
  type AskedAcr,
  acrTold,
  acrValuesSupported,
  type MfaRules,
  rankAsked,
  rankRequired,
  unmetRule,
  usableFactors,
} from '../../mfa/policy.ts';
import type { FoundAccount } from '../claims.ts';
import { organizationContextOf, organizationOf } from '../organization/asked.ts';
import { translated } from '../storage/database-errors.ts';
import type { PolicyClient } from './policy.ts';

export type AssuranceParts = {
  deps: Pick<Deps, 'db' | 'now'>;
  mfa: MfaRules;
  /** Whether a browser may do without a second factor, as far as policy goes. */
  isTrustedDevice: (ctx: KoaContextWithOIDC, userId: string) => Promise<boolean>;
};

const { Check } = interactionPolicy;

/** What the sign-in pages are told of a request beside what the library tells them. */
export type SignInDetails = {
  askedAcr: AskedAcr;
  /** Epoch seconds of the session's sign-in. */
  signedInAt: number | undefined;
  /** The organization that the request is for, where it is known that the person belongs to it. */
  organization: { id: string; name: string } | undefined;
};

/**
 * Asks for a sign-in that is worth what the request and policy ask for, where the session isn't:
 * `acr_values`, which the library leaves alone, essential acr claims, and second factors. What a
 * sign-in that was just made doesn't reach is an error, not another round and not a weaker token
 * (OpenID Connect Core §5.5.1.1, RFC 9470 §5).
 */
export function addAssurance(policy: interactionPolicy.DefaultPolicy, parts: AssuranceParts): void {
  const login = policy.get('login');
  if (login === undefined) throw new Error('oidc-provider has no prompt login any more');
  for (const reason of ['essential_acrs', 'essential_acr']) login.checks.remove(reason);
  login.checks.add(
    new Check('assurance', 'the End-User has to authenticate with more', 'login_required', (ctx) =>
      needsMore(ctx, parts),
    ),
  );
  login.checks.add(
    new Check('organization_age', 'the sign-in is too long ago', 'login_required', (ctx) =>
      isTooOld(ctx, parts),
    ),
  );
  const { db } = parts.deps;
  for (const prompt of policy) {
    const { details } = prompt;
    prompt.details = async (ctx) => ({
      ...(await details(ctx)),
      ...(await signInDetails(db, ctx)),
    });
  }
}

async function signInDetails(db: Db, ctx: KoaContextWithOIDC): Promise<SignInDetails> {
  const organization = await organizationContextOf(db, ctx);
  return {
    askedAcr: askedAcrOf(ctx),
    signedInAt: ctx.oidc.session?.loginTs,
    organization: organization && { id: organization.id, name: organization.name },
  };
}

/** What the session lacks of what the organization asks, if anything. */
async function unmetOf(ctx: KoaContextWithOIDC, { deps }: AssuranceParts) {
  const organization = await organizationContextOf(deps.db, ctx);
  const { acr, amr = [], loginTs: at = 0 } = ctx.oidc.session ?? {};
  const now = deps.now().getTime() / 1000;
  return organization && unmetRule(organization, { acr, amr, at }, now);
}

/** An organization may have people sign in anew sooner than the installation does. */
async function isTooOld(ctx: KoaContextWithOIDC, parts: AssuranceParts): Promise<boolean> {
  return (await unmetOf(ctx, parts)) === 'age';
}

/**
 * Whether the person has to say which organization, or to be told that it can't be the one asked for.
 *
 * @throws AccessDenied where that was so after they had their say, or nobody may be asked.
 */
async function needsOrganization(
  ctx: KoaContextWithOIDC,
  { deps }: AssuranceParts,
): Promise<boolean> {
  const found = await organizationOf(deps.db, ctx);
  if (found === undefined || found.outcome === 'in') return false;
  const refused = found.outcome === 'refused';
  const { oidc } = ctx;
  if (oidc.result?.login !== undefined || (refused && oidc.promptPending('none'))) {
    throw new errors.AccessDenied('the End-User can not sign in to this organization');
  }
  if (oidc.promptPending('none')) {
    throw new errors.InteractionRequired('the End-User has to choose an organization');
  }
  return true;
}

async function needsMore(ctx: KoaContextWithOIDC, parts: AssuranceParts): Promise<boolean> {
  const { mfa, isTrustedDevice } = parts;
  const { oidc } = ctx;
  const asked = askedAcrOf(ctx);
  const asks = rankAsked(asked, acrValuesSupported(mfa));
  if (asks === undefined) throw unmet();
  const user = (oidc.account as FoundAccount | undefined)?.user;
  const { session } = oidc;
  // Who isn't signed in is asked to anyway.
  if (user === undefined || session?.accountId === undefined) return false;
  // A getter of the library's prototype: what tokens say.
  Object.defineProperty(oidc, 'acr', {
    configurable: true,
    get: () => acrTold(session.acr, asked),
  });
  if (await needsOrganization(ctx, parts)) return true;
  const reached = rankOf(session.acr);
  const lacks = await unmetOf(ctx, parts);
  const required = rankRequired(mfa, (oidc.client as PolicyClient).mfa, user);
  const enough = async (): Promise<boolean> => {
    if (reached < asks || lacks === 'method' || lacks === 'second_factor') return false;
    if (reached >= required) return true;
    return !user.administrator && (await translated(isTrustedDevice(ctx, user.id)));
  };
  if (await enough()) return false;
  if (oidc.result?.login !== undefined) throw unmet();
  if (
    oidc.promptPending('none') &&
    needsEnrolment(
      Math.max(asks, required, lacks === 'second_factor' ? 2 : 0),
      usableFactors(mfa, user),
    )
  ) {
    throw new errors.InteractionRequired('the End-User has to turn on another factor first');
  }
  return true;
}

function needsEnrolment(needed: number, factors: readonly string[]): boolean {
  if (needed < 2) return false;
  return needed === 3 ? !factors.includes('passkey') : factors.length === 0;
}

function unmet(): Error {
  return new errors.UnmetAuthenticationRequirements('the requested acr can not be met');
}

/** From the parameters: the library lets `acr_values` take the place of an essential claim. */
function askedAcrOf({ oidc }: KoaContextWithOIDC): AskedAcr {
  const { claims, acr_values } = oidc.params ?? {};
  const voluntary = typeof acr_values === 'string' ? acr_values.split(' ').filter(Boolean) : [];
  return { essential: typeof claims === 'string' ? essentialAcr(claims) : [], voluntary };
}

function essentialAcr(claims: string): string[] {
  // Checked by the library before; null asks for nothing.
  const { id_token } = JSON.parse(claims) as { id_token?: { acr?: unknown } | null };
  const { essential, value, values } = (id_token?.acr ?? {}) as Record<string, unknown>;
  if (essential !== true) return [];
  if (values !== undefined && !Array.isArray(values)) {
    throw new errors.InvalidRequest('invalid claims.id_token.acr.values type');
  }
  return [value, ...(values ?? [])].filter((one) => typeof one === 'string');
}
