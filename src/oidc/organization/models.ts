import type Provider from 'oidc-provider';
import type { Grant } from 'oidc-provider';
import type { OrganizationContext } from '../../organizations/store.ts';
import { isGrantOfSession } from './session-grants.ts';

/** A grant, and the organization that it is for. */
export type OrganizationGrant = Grant & {
  organizationId?: string;
  /** As it is at the time of asking; never stored. */
  organization?: OrganizationContext;
};

type FindOptions = { ignoreExpiration?: boolean; ignoreSessionBinding?: boolean };
type BoundToken = {
  expiresWithSession?: boolean;
  sessionUid?: string;
  accountId?: string;
  clientId: string;
  grantId: string;
};
type Model = { find: (value: string, options?: FindOptions) => Promise<BoundToken | undefined> };

/** Models of tokens and codes that end with the session they were issued in. */
const BOUND = ['AccessToken', 'AuthorizationCode', 'DeviceCode', 'RefreshToken'] as const;

/**
 * Teaches the library's models of organizations: a grant is for one or for none, what may be done by
 * it is what its person holds there now, and a session has a grant for each.
 */
export function extendModels(provider: Provider): void {
  extendGrant(provider.Grant as unknown as GrantClass);
  for (const name of BOUND) bindToSession(provider, provider[name] as unknown as Model);
}

type GrantClass = { IN_PAYLOAD: string[]; prototype: OrganizationGrant };

function extendGrant(model: GrantClass): void {
  const payload = [...model.IN_PAYLOAD, 'organizationId', 'organization'];
  Object.defineProperty(model, 'IN_PAYLOAD', { get: () => payload });
  const granted = model.prototype.getResourceScopeFiltered;
  model.prototype.getResourceScopeFiltered = function heldOf(resource, filter) {
    const scope = granted.call(this, resource, filter);
    const { organization } = this as OrganizationGrant;
    if (organization === undefined) return scope;
    const held = organization.permissions[resource] ?? [];
    return scope
      .split(' ')
      .filter((name) => held.includes(name))
      .join(' ');
  };
}

/** The library takes a session to have one grant a client; here it has one for each organization. */
function bindToSession(provider: Provider, model: Model): void {
  const find = model.find;
  model.find = async function findBound(value, options = {}) {
    const token = await find.call(this, value, { ...options, ignoreSessionBinding: true });
    if (!token?.expiresWithSession || options.ignoreSessionBinding) return token;
    const session = await provider.Session.findByUid(String(token.sessionUid));
    const own = session !== undefined && session.accountId === token.accountId;
    return own && isGrantOfSession(session, token.clientId, token.grantId) ? token : undefined;
  };
}
