import type { JWTPayload } from 'jose';
import {
  type Client,
  errors,
  type Grant,
  interactionPolicy,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { Db } from '../../deps.ts';
import type { MfaPolicy } from '../../mfa/policy.ts';
import { findConsent } from '../../oidc-state/consents.ts';
import type { OrganizationContext } from '../../organizations/store.ts';
import { organizationOf } from '../organization/asked.ts';
import type { OrganizationGrant } from '../organization/models.ts';
import { keepSessionGrant, sessionGrant } from '../organization/session-grants.ts';
import { isGrantGone, translated } from '../storage/database-errors.ts';
import { type AssuranceParts, addAssurance } from './assurance.ts';
import { checkRequestObject } from './fapi.ts';
import { grantLifetime } from './lifetimes.ts';

/** Our members of client metadata, as the library shows them. */
export type PolicyClient = Client & {
  first_party?: boolean;
  legacy_confidential?: boolean;
  allowed_origins?: string[];
  mfa?: MfaPolicy;
};

/** OAuth clients may leave PKCE out only if marked so, and only if confidential (RFC 9700 §2.1.1). */
export function pkceRequired(_ctx: KoaContextWithOIDC, client: Client): boolean {
  const { legacy_confidential } = client as PolicyClient;
  return legacy_confidential !== true || client.clientAuthMethod === 'none';
}

/**
 * The steps of an authorization request that need a person: sign-up if it is asked for (Initiating
 * User Registration via OpenID Connect 1.0 §4), sign-in with as much as is asked for, then consent.
 */
export function createInteractionPolicy(
  offered: { signUp: boolean },
  assurance: AssuranceParts,
): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  if (offered.signUp) {
    policy.add(new interactionPolicy.Prompt({ name: 'create', requestable: true }), 0);
  }
  addAssurance(policy, assurance);
  const native = checkOf(policy, 'consent', 'native_client_prompt');
  const isNative = native.check;
  native.check = async (ctx) => !mayGoOnUnasked(ctx) && isNative(ctx);
  return policy;
}

function checkOf(policy: interactionPolicy.DefaultPolicy, prompt: string, reason: string) {
  const check = policy.get(prompt)?.checks.get(reason);
  if (check === undefined) throw new Error(`oidc-provider has no check ${reason} any more`);
  return check;
}

/**
 * Other programs can pose as an app on the same device, so a native app isn't answered without the
 * person noticing (RFC 8252 §8.6). Our own apps need no page for that where the person was just asked
 * something, or where the system hands the answer to the owner of an https address.
 */
function mayGoOnUnasked({ oidc }: KoaContextWithOIDC): boolean {
  if (!(oidc.client as PolicyClient).first_party) return false;
  const onDevice = oidc.route === 'code_verification' || oidc.route === 'device_resume';
  const claimed = String(oidc.params?.redirect_uri ?? '').startsWith('https:');
  return onDevice || claimed || oidc.result?.login !== undefined;
}

/**
 * The grant an authorization request builds on. First-party clients are granted what they ask for
 * without a page; others get what the person agreed to before, in this session or, if that is all
 * they ask for, in another.
 */
export function grantLoader(
  config: Config,
  db: Db,
): (ctx: KoaContextWithOIDC) => Promise<Grant | undefined> {
  return async (ctx) => {
    const { oidc } = ctx;
    const { clientId } = oidc.client as PolicyClient;
    const asked = await organizationOf(db, ctx);
    // Without the organization that is asked for there is nothing to grant.
    if (asked !== undefined && asked.outcome !== 'in') return undefined;
    const organization = asked?.organization;
    const grant = await loadGrant(ctx, config, db, organization).catch((error) => {
      // The membership ended since it was looked up: an app is told as if it had been before.
      const ended = organization !== undefined && isGrantGone(error);
      throw ended ? new errors.AccessDenied('the membership ended', { cause: error }) : error;
    });
    if (grant?.jti !== undefined && oidc.session !== undefined) {
      const offline = oidc.requestParamScopes.has('offline_access');
      const kept = { grantId: grant.jti, offline };
      keepSessionGrant(oidc.session, clientId, organization?.id, kept);
    }
    return grant;
  };
}

async function loadGrant(
  ctx: KoaContextWithOIDC,
  config: Config,
  db: Db,
  organization: OrganizationContext | undefined,
): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const client = oidc.client as PolicyClient;
  const grantId =
    (oidc.result?.consent as { grantId?: string } | undefined)?.grantId ??
    (oidc.session && sessionGrant(oidc.session, client.clientId, organization?.id));
  const existing: OrganizationGrant | undefined =
    grantId === undefined ? undefined : await oidc.provider.Grant.find(grantId);
  const same =
    existing?.accountId === oidc.account?.accountId &&
    existing?.organizationId === organization?.id;
  const found = same ? existing : undefined;
  if (client.first_party) return grantAll(found ?? emptyGrant(ctx, organization), ctx, config);
  if (found === undefined) return grantAgreed(ctx, config, db, organization);
  if (isHalfSpent(found, config)) await renew(found, config);
  return found;
}

function emptyGrant(
  { oidc }: KoaContextWithOIDC,
  organization: OrganizationContext | undefined,
): OrganizationGrant {
  const grant: OrganizationGrant = new oidc.provider.Grant({
    accountId: oidc.account?.accountId as string,
    clientId: oidc.client?.clientId as string,
  });
  if (organization !== undefined) {
    Object.assign(grant, { organizationId: organization.id, organization });
  }
  return grant;
}

/** A grant of what is asked, if the person agreed to all of it before (ADR 0013). */
async function grantAgreed(
  ctx: KoaContextWithOIDC,
  config: Config,
  db: Db,
  organization: OrganizationContext | undefined,
): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const [userId, clientId] = [oidc.account?.accountId, oidc.client?.clientId];
  // Not on the way back from a page on which the person agreed or not: that answer counts.
  if (userId === undefined || clientId === undefined) return undefined;
  if (oidc.result?.consent !== undefined) return undefined;
  const key = { userId, clientId, organizationId: organization?.id };
  const consent = await translated(findConsent(db, key));
  if (consent === undefined) return undefined;
  const scopes = [...oidc.requestParamOIDCScopes];
  const claims = [...oidc.requestParamClaims].filter((claim) => !ALWAYS_TOLD.has(claim));
  const apis = Object.entries(oidc.resourceServers ?? {}).map(([indicator, server]) => ({
    indicator,
    scopes: [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)),
  }));
  const agreed =
    isWithin(scopes, consent.scopes) &&
    isWithin(claims, consent.claims) &&
    apis.every((api) => isWithin(api.scopes, consent.resources[api.indicator]));
  if (!agreed) return undefined;
  const grant = emptyGrant(ctx, organization);
  if (scopes.length > 0) grant.addOIDCScope(scopes.join(' '));
  if (claims.length > 0) grant.addOIDCClaims(claims);
  for (const api of apis) {
    if (api.scopes.length > 0) grant.addResourceScope(api.indicator, api.scopes.join(' '));
  }
  await renew(grant, config);
  return grant;
}

/** Claims that nobody is asked about: the library's own exceptions to consent. */
const ALWAYS_TOLD = new Set(['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss']);

function isWithin(asked: readonly string[], agreed: readonly string[] = []): boolean {
  return asked.every((one) => agreed.includes(one));
}

async function grantAll(
  grant: Grant,
  { oidc }: KoaContextWithOIDC,
  config: Config,
): Promise<Grant> {
  const before = JSON.stringify([grant.openid, grant.resources]);
  if (oidc.requestParamOIDCScopes.size > 0)
    grant.addOIDCScope(oidc.requestParamOIDCScopes as never);
  if (oidc.requestParamClaims.size > 0) grant.addOIDCClaims([...oidc.requestParamClaims]);
  for (const [indicator, server] of Object.entries(oidc.resourceServers ?? {})) {
    const scopes = [...oidc.requestParamScopes].filter((s) => server.scopes.has(s));
    if (scopes.length > 0) grant.addResourceScope(indicator, scopes.join(' '));
  }
  const changed = before !== JSON.stringify([grant.openid, grant.resources]);
  if (grant.jti === undefined || changed || isHalfSpent(grant, config)) await renew(grant, config);
  return grant;
}

/** A grant lives as long as its newest tokens, but isn't stored again at each sign-in for that. */
function isHalfSpent(grant: Grant, config: Config): boolean {
  return (grant.exp ?? 0) - Date.now() / 1000 < grantLifetime(config) / 2;
}

async function renew(grant: Grant, config: Config): Promise<void> {
  grant.exp = Math.floor(Date.now() / 1000) + grantLifetime(config);
  await grant.save();
}

/**
 * Puts back `offline_access`, which the library drops unless a consent page is asked for: first-party
 * clients have no such page (OpenID Connect Core §11 lets other conditions permit it).
 */
export function keepOfflineAccess(
  ctx: KoaContextWithOIDC,
  scope: string | undefined,
  client: Client,
): void {
  const { params } = ctx.oidc;
  if (!(client as PolicyClient).first_party || !client.grantTypeAllowed('refresh_token')) return;
  if (!params || !String(params.response_type ?? '').includes('code')) return;
  const asked = requestedScope(ctx)?.split(' ') ?? [];
  if (!asked.includes('offline_access') || scope?.split(' ').includes('offline_access')) return;
  if (client.scope && !client.scope.split(' ').includes('offline_access')) {
    throw new errors.InvalidScope('requested scope is not allowed', 'offline_access');
  }
  params.scope = `${scope ?? ''} offline_access`.trim();
}

/** Scopes that request objects and pushed requests named, by the context of the request. */
const namedScopes = new WeakMap<KoaContextWithOIDC, unknown>();

/** Checks a request object, and remembers its scope, which the library decrypts and doesn't keep. */
export async function inspectRequestObject(
  ctx: KoaContextWithOIDC,
  claims: JWTPayload,
  _header: unknown,
  client: Client,
): Promise<void> {
  namedScopes.set(ctx, claims.scope);
  checkRequestObject(claims, client);
}

/** The scope as the client wrote it: in the pushed request, the request object, or the parameters. */
function requestedScope(ctx: KoaContextWithOIDC): string | undefined {
  const plain = (ctx.oidc.body ?? ctx.query) as Record<string, unknown>;
  const scope = namedScopes.has(ctx) ? namedScopes.get(ctx) : plain.scope;
  return typeof scope === 'string' ? scope : undefined;
}

/** CORS: the origins a client registered, or those of its redirect URIs if it is public (security 14). */
export function originAllowed(_ctx: KoaContextWithOIDC, origin: string, client: Client): boolean {
  if (origin === 'null') return false;
  const { allowed_origins } = client as PolicyClient;
  if (allowed_origins !== undefined) return allowed_origins.includes(origin);
  const redirects = client.clientAuthMethod === 'none' ? (client.redirectUris ?? []) : [];
  return redirects.some((uri) => URL.parse(uri)?.origin === origin);
}
