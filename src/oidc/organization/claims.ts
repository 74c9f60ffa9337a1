import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { ClientWithSecrets } from '../../clients/store.ts';
import { unmetRule } from '../../mfa/policy.ts';
import type { OrganizationContext } from '../../organizations/store.ts';
import type { OrganizationGrant } from './models.ts';

/** What tokens say of the organization they are for; part of what `openid` asks for. */
export const ORGANIZATION_CLAIMS = ['org_id', 'org_slug', 'org_name', 'org_roles'];

/** The organization of the grant that a request builds on, as it is now. */
export function grantedOrganization(
  ctx: KoaContextWithOIDC | undefined,
): OrganizationContext | undefined {
  return (ctx?.oidc.entities.Grant as OrganizationGrant | undefined)?.organization;
}

/** Claims of an organization that tokens and userinfo are for. */
export function organizationClaims({
  id,
  slug,
  name,
  roles,
}: Pick<OrganizationContext, 'id' | 'slug' | 'name' | 'roles'>): Record<string, unknown> {
  return { org_id: id, org_slug: slug, org_name: name, org_roles: roles };
}

type Token = { kind: string; scope?: string; aud?: unknown; extra?: Record<string, unknown> };

/**
 * What access tokens say of an organization: which, the person's roles there and, for an API, what
 * they may do (`scope` once more, for libraries that read `permissions`). Machine clients belong to one
 * or to none.
 *
 * @throws InvalidRequest for a client that asks for an organization that isn't its own.
 */
export function organizationTokenClaims(
  ctx: KoaContextWithOIDC | undefined,
  token: Token,
): Record<string, unknown> | undefined {
  if (token.kind === 'ClientCredentials') return clientClaims(ctx, token);
  const organization = grantedOrganization(ctx);
  return organization && { ...organizationClaims(organization), ...permissionsOf(token) };
}

function clientClaims(
  ctx: KoaContextWithOIDC | undefined,
  token: Token,
): Record<string, unknown> | undefined {
  const own = ctx?.oidc.client?.organization as ClientWithSecrets['organization'] | undefined;
  const asked = (ctx?.oidc.body as { organization?: unknown } | undefined)?.organization;
  if (asked !== undefined && asked !== own?.id && asked !== own?.slug) {
    throw new errors.InvalidRequest('the client does not belong to this organization');
  }
  if (!own) return undefined;
  const { org_roles: _people, ...claims } = organizationClaims({ ...own, roles: [] });
  return { ...claims, ...permissionsOf(token) };
}

function permissionsOf({ scope = '', aud }: Token): { permissions?: string[] } {
  return aud === undefined ? {} : { permissions: scope.split(' ').filter((name) => name !== '') };
}

/**
 * Says of an opaque access token what is so now: roles and permissions may have changed since it was
 * issued, and whoever introspects wants to know (RFC 7662 §2.2).
 */
export function bringUpToDate(ctx: KoaContextWithOIDC, token: Token & { resource?: string }): void {
  const organization = grantedOrganization(ctx);
  if (organization === undefined || token.kind !== 'AccessToken') return;
  if (typeof token.aud === 'string') {
    const held = organization.permissions[token.aud] ?? [];
    const scopes = (token.scope ?? '').split(' ').filter((name) => held.includes(name));
    token.scope = scopes.join(' ');
  }
  token.extra = { ...token.extra, ...organizationClaims(organization), ...permissionsOf(token) };
}

type Source = { acr?: string; amr?: string[]; authTime?: number };

/**
 * Refuses a code or refresh token that comes of a sign-in which isn't, or isn't any more, worth what
 * the organization asks.
 *
 * @param now epoch seconds.
 * @throws InvalidGrant
 */
export function checkOrganizationRules(
  ctx: KoaContextWithOIDC,
  { acr, amr = [], authTime }: Source,
  now: number,
): void {
  const organization = grantedOrganization(ctx);
  if (organization === undefined || authTime === undefined) return;
  const unmet = unmetRule(organization, { acr, amr, at: authTime }, now);
  if (unmet !== undefined) {
    throw new errors.InvalidGrant(`the organization asks for another sign-in (${unmet})`);
  }
}
