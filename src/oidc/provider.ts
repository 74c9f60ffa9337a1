import type { JWK } from 'jose';
import Provider, { type Adapter, type Configuration, errors } from 'oidc-provider';
import { hashClientSecret, isStaleSecretHash, matchesClientSecret } from '../clients/secret.ts';
import type { Config } from '../config.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { Deps } from '../deps.ts';
import { acrValuesSupported } from '../mfa/policy.ts';
import { accountClient } from './browser/account-client.ts';
import type { ProviderPages } from './browser/pages.ts';
import { accountFinder, extraTokenClaims, scopeClaims } from './claims.ts';
import { slowDownPolling, throttleUserCodes } from './endpoints/device-limits.ts';
import { logoutRecords } from './endpoints/logout-records.ts';
import { observe } from './endpoints/observe.ts';
import { nameUrlsByIssuer } from './endpoints/own-urls.ts';
import { postRequests } from './endpoints/post-requests.ts';
import { registrationRecords } from './endpoints/registration-records.ts';
import { features } from './features.ts';
import { checkOrganization } from './organization/asked.ts';
import { extendModels } from './organization/models.ts';
import type { AssuranceParts } from './policy/assurance.ts';
import { fapiProfile } from './policy/fapi.ts';
import { lifetimes } from './policy/lifetimes.ts';
import {
  createInteractionPolicy,
  grantLoader,
  keepOfflineAccess,
  originAllowed,
  pkceRequired,
} from './policy/policy.ts';
import { checkOwnMetadata, OWN_METADATA } from './policy/registration.ts';
import type { ResourceFinder } from './resources.ts';
import type { Reused } from './storage/adapter.ts';
import { secretHashes } from './storage/client-adapter.ts';

export type ProviderParts = {
  deps: Deps;
  config: Config;
  keyring: Keyring;
  adapter: (model: string) => Adapter;
  findResource: ResourceFinder;
  pages: ProviderPages;
  assurance: AssuranceParts;
  /** Tags of the languages that the pages speak. */
  languages: readonly string[];
  /** Called when a code or refresh token was presented a second time and its family was ended. */
  onReuse: (reused: Reused) => Promise<void>;
  /** Called when a client authenticated with a secret that is hashed with an old key. */
  onOldSecret: (clientId: string, hashes: { from: string; to: string }) => Promise<void>;
  /** Tells a client that a session ended, without the person waiting for it. */
  queueBackchannelLogout: (event: {
    clientId: string;
    sub: string;
    sid: string | undefined;
  }) => Promise<void>;
};

/** Largest answers accepted from addresses that clients give, in bytes (security 28). */
const RESPONSE_LIMIT = 256 * 1024;

/** A provider for these keys and settings; about 1 ms. oidc.md says why each choice was made. */
export function createProvider(parts: ProviderParts, jwks: { keys: JWK[] }): Provider {
  const { config, keyring } = parts;
  const provider = new Provider(config.issuer, {
    ...protocol(config, parts.languages),
    ...policies(parts),
    adapter: parts.adapter,
    clientBasedCORS: originAllowed,
    clients: [accountClient(config)],
    cookies: cookies(config, keyring),
    features: features({
      config,
      pages: parts.pages,
      findResource: parts.findResource,
      dpopNonceSecret: keyring.dpopNonce,
    }),
    fetch: parts.deps.fetch,
    fetchResponseBodyLimits: { jwks_uri: RESPONSE_LIMIT, sector_identifier_uri: RESPONSE_LIMIT },
    findAccount: accountFinder(parts.deps, config.profileAttributes),
    interactions: {
      policy: createInteractionPolicy({ signUp: signUpOffered(config) }, parts.assurance),
      url: (_ctx, interaction) => `${config.basePath}/interaction/${interaction.uid}`,
    },
    jwks,
    renderError: parts.pages.renderError as Configuration['renderError'],
    ttl: lifetimes(config),
  } as Configuration);
  replaceClientMethods(provider, parts);
  extendModels(provider);
  nameUrlsByIssuer(provider);
  slowDownPolling(provider, parts.deps.db);
  throttleUserCodes(provider, parts.deps.db);
  provider.use(postRequests(provider));
  provider.use(registrationRecords(provider));
  provider.use(logoutRecords(parts.deps.db));
  observe(provider);
  return provider;
}

/** Whether strangers may ask for an account, in so far as their address is allowed. */
function signUpOffered({ signUp }: Config): boolean {
  return signUp.policy === 'open' || signUp.policy === 'domains';
}

function protocol(config: Config, languages: readonly string[]): Partial<Configuration> {
  return {
    acrValues: acrValuesSupported(config.mfa),
    allowOmittingSingleRegisteredRedirectUri: false,
    claims: scopeClaims(config.profileAttributes),
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      ...(config.clientCertificateHeader ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
      'none',
    ] as never,
    clientDefaults: {
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'ES256',
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    // ID tokens carry what scopes ask for, as client libraries expect.
    conformIdTokenClaims: false,
    discovery: {
      prompt_values_supported: [
        'none',
        'login',
        'consent',
        ...(signUpOffered(config) ? ['create'] : []),
      ],
      ui_locales_supported: languages,
    } as never,
    enabledJWA: asymmetricOnly(),
    enableHttpPostMethods: false,
    responseTypes: ['code', 'code id_token', 'id_token', 'none'],
    routes: {
      authorization: '/authorize',
      backchannel_authentication: '/backchannel',
      code_verification: '/device',
      device_authorization: '/device/authorize',
      end_session: '/logout',
      introspection: '/introspect',
      jwks: '/jwks',
      pushed_authorization_request: '/par',
      registration: '/register',
      revocation: '/revoke',
      token: '/token',
      userinfo: '/userinfo',
    } as never,
    scopes: ['openid', 'offline_access', 'profile', 'email', 'phone', 'address', 'organizations'],
    subjectTypes: ['public'],
  };
}

/** Nothing that would need a client secret in clear: secrets are stored as MACs only. */
function asymmetricOnly(): NonNullable<Configuration['enabledJWA']> {
  const signing = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];
  const encryption = ['RSA-OAEP-256', 'RSA-OAEP', 'ECDH-ES'];
  const proofs = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];
  return {
    clientAuthSigningAlgValues: proofs,
    // Nothing old makes these proofs, and FAPI 2.0 §5.4.1 has no RS256.
    dPoPSigningAlgValues: proofs.filter((alg) => alg !== 'RS256'),
    idTokenSigningAlgValues: signing,
    requestObjectSigningAlgValues: signing,
    userinfoSigningAlgValues: signing,
    introspectionSigningAlgValues: signing,
    authorizationSigningAlgValues: signing,
    idTokenEncryptionAlgValues: encryption,
    requestObjectEncryptionAlgValues: encryption,
    userinfoEncryptionAlgValues: encryption,
    introspectionEncryptionAlgValues: encryption,
    authorizationEncryptionAlgValues: encryption,
  } as NonNullable<Configuration['enabledJWA']>;
}

function policies(parts: ProviderParts): Partial<Configuration> {
  const { config } = parts;
  return {
    // The audience of a client assertion is the issuer, always: an endpoint URL can be another
    // server's issuer (OpenID Foundation notice of January 2025 on private_key_jwt).
    assertJwtClientAuthClaimsAndHeader: async (ctx, claims) => {
      if (claims.aud !== ctx.oidc.issuer) {
        throw new errors.InvalidClientAuth('audience (aud) must equal the issuer identifier url');
      }
    },
    expiresWithSession: async (_ctx, source) => !source.scopes.has('offline_access'),
    extraClientMetadata: { properties: OWN_METADATA, validator: checkOwnMetadata } as never,
    extraParams: { scope: keepOfflineAccess as never, organization: checkOrganization as never },
    extraTokenClaims: extraTokenClaims as never,
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
    loadExistingGrant: grantLoader(config, parts.deps.db),
    pkce: { required: pkceRequired },
    // Bound to its client's key or certificate it gains nothing from rotation (FAPI 2.0 §5.3.2.1).
    rotateRefreshToken: (ctx) => fapiProfile(ctx, ctx.oidc.client) === undefined,
    revokeGrantPolicy: async (ctx) => {
      const { route, entities } = ctx.oidc;
      const reused = ctx.state.reused as Reused | undefined;
      if (route === 'token' && reused !== undefined) await parts.onReuse(reused);
      return !(route === 'revocation' && entities.AccessToken);
    },
  } as Partial<Configuration>;
}

function cookies(config: Config, keyring: Keyring): NonNullable<Configuration['cookies']> {
  // __Host- needs Path=/, which a path-bound interaction cookie and an issuer with a path don't have.
  const host = config.secure && config.basePath === '' ? '__Host-' : '';
  const scoped = config.secure ? '__Secure-' : '';
  const options = { httpOnly: true, sameSite: 'lax', signed: true, secure: config.secure } as const;
  return {
    keys: keyring.cookies,
    names: {
      session: `${host || scoped}plinto_session`,
      interaction: `${scoped}plinto_interaction`,
      resume: `${scoped}plinto_resume`,
    },
    long: { ...options, path: config.basePath || '/' },
    short: options,
  };
}

/** Hashed secrets, and logout notices that are queued rather than waited for. */
function replaceClientMethods(provider: Provider, parts: ProviderParts): void {
  const prototype = provider.Client.prototype as unknown as {
    clientId: string;
    clientSecret: string | undefined;
    compareClientSecret: (actual: string) => Promise<boolean>;
    backchannelLogout: (sub: string, sid: string | undefined) => Promise<unknown>;
    sendBackchannelLogout: (sub: string, sid: string | undefined) => Promise<unknown>;
  };
  prototype.sendBackchannelLogout = prototype.backchannelLogout;
  prototype.backchannelLogout = async function queue(sub, sid) {
    await parts.queueBackchannelLogout({ clientId: this.clientId, sub, sid });
  };
  prototype.compareClientSecret = async function compare(actual) {
    const keys = parts.keyring.clientSecrets;
    const from = secretHashes(this.clientSecret).find((h) => matchesClientSecret(keys, h, actual));
    if (from !== undefined && isStaleSecretHash(keys, from)) {
      const to = hashClientSecret(keys, actual);
      // It was the right secret, whether or not it can be stored anew this time.
      await parts.onOldSecret(this.clientId, { from, to }).catch(() => {});
    }
    return from !== undefined;
  };
}
