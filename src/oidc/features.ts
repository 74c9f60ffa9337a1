import type { Client, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { ProviderPages } from './browser/pages.ts';
import { mutualTls } from './mutual-tls.ts';
import { isForOrganization } from './organization/asked.ts';
import { bringUpToDate } from './organization/claims.ts';
import { fapiProfile } from './policy/fapi.ts';
import { inspectRequestObject } from './policy/policy.ts';
import { ADMINISTRATORS_ONLY } from './policy/registration.ts';
import { type ResourceFinder, resourceServerInfo } from './resources.ts';

export type FeatureParts = {
  config: Config;
  pages: ProviderPages;
  findResource: ResourceFinder;
  dpopNonceSecret: Buffer;
};

/** Which parts of the standards are on; docs/standards.md lists them with their tests. */
export function features(parts: FeatureParts): NonNullable<Configuration['features']> {
  const { config, pages, findResource } = parts;
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      deviceInfo: (ctx) => ({ ip: ctx.ip, ua: ctx.get('user-agent').slice(0, 400) }),
      ...pages.device,
    },
    dPoP: {
      enabled: true,
      nonceSecret: parts.dpopNonceSecret,
      requireNonce: () => config.dpopRequireNonce,
    },
    encryption: { enabled: true },
    fapi: { enabled: true, profile: fapiProfile as never },
    introspection: { enabled: true, allowedPolicy: tokenPolicy(findResource) },
    jwtIntrospection: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    mTLS: mutualTls(config),
    pushedAuthorizationRequests: { enabled: true },
    registration: {
      enabled: config.registration !== 'off',
      initialAccessToken: config.registration === 'token',
    },
    registrationManagement: {
      enabled: config.registration !== 'off',
      rotateRegistrationAccessToken: true,
    },
    requestObjects: { enabled: true, assertJwtClaimsAndHeader: inspectRequestObject as never },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, indicator, { clientId }) => {
        const asks = { clientId, inOrganization: isForOrganization(ctx) };
        return resourceServerInfo(findResource, config, indicator, asks);
      },
    },
    revocation: { enabled: true, allowedPolicy: revocationPolicy },
    rpInitiatedLogout: { enabled: true, ...pages.logout },
    clientIdMetadataDocument: config.clientIdMetadataDocument
      ? { enabled: true, ack: 'draft-02', allowClient: claimsNothingOfOurs }
      : { enabled: false },
  } as NonNullable<Configuration['features']>;
}

/** A metadata document is written by strangers: what only administrators decide can't be in it. */
async function claimsNothingOfOurs(_ctx: KoaContextWithOIDC, client: Client): Promise<boolean> {
  return [...ADMINISTRATORS_ONLY].every((name) => client[name] === undefined);
}

type Token = Parameters<typeof bringUpToDate>[1] & {
  clientId?: string;
  aud?: string | string[];
};

/** A client may ask about its own tokens, and about those for an API it owns (RFC 7662 §4). */
function tokenPolicy(findResource: ResourceFinder) {
  return async (ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> => {
    // The last that the library asks before it answers with what is in the token.
    bringUpToDate(ctx, token);
    if (token.clientId === client.clientId) return true;
    if (client.clientAuthMethod === 'none') return false;
    for (const audience of [token.aud ?? []].flat()) {
      const resource = await findResource(audience, client.clientId);
      if (resource?.owner_client_id === client.clientId) return true;
    }
    return false;
  };
}

/** Only the client that holds a token may revoke it (RFC 7009 §2.1). */
async function revocationPolicy(
  _ctx: KoaContextWithOIDC,
  client: Client,
  token: Token,
): Promise<boolean> {
  if (token.clientId === client.clientId) return true;
  if (client.clientAuthMethod === 'none') return false;
  throw new errors.InvalidRequest('client is not authorized to revoke the presented token');
}
