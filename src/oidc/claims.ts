import type { Account, ClaimsParameterMember, KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../deps.ts';
import { listOrganizationsOf } from '../organizations/store.ts';
import { findActiveUser, type User } from '../users/store.ts';
import {
  checkOrganizationRules,
  grantedOrganization,
  ORGANIZATION_CLAIMS,
  organizationClaims,
  organizationTokenClaims,
} from './organization/claims.ts';
import { translated } from './storage/database-errors.ts';

/**
 * The claims each scope asks for (OpenID Connect Core §5.4). Every ID token says how and when the
 * person signed in, so that no app has to ask for it to rely on it.
 */
const SCOPE_CLAIMS = {
  openid: ['sub', 'acr', 'amr', 'auth_time', ...ORGANIZATION_CLAIMS],
  organizations: ['organizations'],
  profile: [
    'name',
    'given_name',
    'family_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
};

/** Profile fields of the installation's own, each a claim under its own name. */
type Attributes = readonly Readonly<{ name: string }>[];

/** The claims of each scope; the installation's own fields are part of the profile. */
export function scopeClaims(attributes: Attributes): Record<string, string[]> {
  const own = attributes.map(({ name }) => name);
  return { ...SCOPE_CLAIMS, profile: [...SCOPE_CLAIMS.profile, ...own] };
}

/** Everything we could say of a user (§5.1); a claim without a value is left out. */
function userClaims(user: User, attributes: Attributes): { sub: string } & Record<string, unknown> {
  const own = user.metadata.attributes ?? {};
  const claims = {
    ...Object.fromEntries(
      attributes.map(({ name }) => [name, Object.hasOwn(own, name) ? own[name] : null]),
    ),
    sub: user.id,
    name: user.name ?? joinNames(user),
    given_name: user.given_name,
    family_name: user.family_name,
    middle_name: user.middle_name,
    nickname: user.nickname,
    preferred_username: user.username,
    profile: user.profile,
    picture: user.picture,
    website: user.website,
    gender: user.gender,
    birthdate: user.birthdate,
    zoneinfo: user.zoneinfo,
    locale: user.locale,
    updated_at: Math.floor(user.updated_at.getTime() / 1000),
    email: user.email,
    email_verified: user.email === null ? null : user.email_verified_at !== null,
    phone_number: user.phone_number,
    phone_number_verified:
      user.phone_number === null ? null : user.phone_number_verified_at !== null,
    address: user.address,
  };
  const said = Object.entries(claims).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(said) as { sub: string } & Record<string, unknown>;
}

function joinNames(user: User): string | null {
  return [user.given_name, user.family_name].filter(Boolean).join(' ') || null;
}

/**
 * What access tokens, and introspection of them, say of the sign-in that they came of (RFC 9068
 * §2.2.1, RFC 9470 §6): by that an API knows whether to ask for more. Those of a client alone have none.
 */
function signInClaims(
  ctx: KoaContextWithOIDC | undefined,
  { kind }: { kind: string },
): Record<string, unknown> | undefined {
  if (kind !== 'AccessToken') return undefined;
  const { AuthorizationCode, RefreshToken, DeviceCode, BackchannelAuthenticationRequest } =
    ctx?.oidc.entities ?? {};
  const source =
    AuthorizationCode ?? RefreshToken ?? DeviceCode ?? BackchannelAuthenticationRequest;
  if (source === undefined) return undefined;
  const { acr, amr, authTime } = source;
  return { acr, amr, auth_time: authTime };
}

/** What access tokens say beside what they are for: of the sign-in, and of the organization. */
export function extraTokenClaims(
  ctx: KoaContextWithOIDC | undefined,
  token: { kind: string },
): Record<string, unknown> | undefined {
  const claims = { ...signInClaims(ctx, token), ...organizationTokenClaims(ctx, token) };
  return Object.keys(claims).length === 0 ? undefined : claims;
}

/** An account with the user it is of. */
export type FoundAccount = Account & { user: User };

/** What an account is looked up for: a code or refresh token, say. */
type Source = { kind?: string; acr?: string; amr?: string[]; authTime?: number };

/**
 * How the library looks an account up, in one query. A suspended user isn't found, which ends every
 * flow that needs one (security 7). Memberships are listed only where they are asked for.
 *
 * @throws InvalidGrant for a code or refresh token whose organization asks for more by now.
 */
export function accountFinder(
  { db, now }: Pick<Deps, 'db' | 'now'>,
  attributes: Attributes,
): (ctx: KoaContextWithOIDC, id: string, source?: unknown) => Promise<FoundAccount | undefined> {
  return async (ctx, id, source) => {
    checkOrganizationRules(ctx, (source ?? {}) as Source, now().getTime() / 1000);
    const user = await translated(findActiveUser(db, id));
    if (user === undefined) return undefined;
    const all = userClaims(user, attributes);
    return {
      accountId: user.id,
      user,
      claims: async (
        _use: string,
        scope: string,
        claims: Record<string, ClaimsParameterMember | null>,
        _rejected: string[],
      ) => {
        const organization = grantedOrganization(ctx);
        const listed =
          scope.split(' ').includes('organizations') || 'organizations' in (claims ?? {});
        return {
          ...all,
          ...(organization && organizationClaims(organization)),
          ...(listed && { organizations: await translated(listOrganizationsOf(db, user.id)) }),
        };
      },
    };
  };
}
