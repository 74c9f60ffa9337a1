import type { JWTPayload } from 'jose';
import { type Client, type ClientMetadata, errors, type KoaContextWithOIDC } from 'oidc-provider';

const AUTH_METHODS = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'];
const ALGORITHMS = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];

/** Longest time in seconds that a signed request may be valid (FAPI 2.0 Message Signing §5.3.1). */
const REQUEST_LIFETIME = 3600;

const isStrong = (alg: unknown): boolean => alg === undefined || ALGORITHMS.includes(String(alg));

/** What a client must be registered with, in words, and how that is seen (FAPI 2.0 §5.3, §5.4). */
const RULES: [words: string, holds: (m: ClientMetadata) => boolean][] = [
  [
    `token_endpoint_auth_method must be one of ${AUTH_METHODS.join(', ')}`,
    (m) => AUTH_METHODS.includes(String(m.token_endpoint_auth_method)),
  ],
  [
    `token_endpoint_auth_signing_alg must be one of ${ALGORITHMS.join(', ')}`,
    (m) =>
      m.token_endpoint_auth_method !== 'private_key_jwt' ||
      ALGORITHMS.includes(String(m.token_endpoint_auth_signing_alg)),
  ],
  [
    'require_pushed_authorization_requests must be true',
    (m) => m.require_pushed_authorization_requests === true,
  ],
  [
    'dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens must be true',
    (m) =>
      m.dpop_bound_access_tokens === true || m.tls_client_certificate_bound_access_tokens === true,
  ],
  ['response_types must be code', (m) => (m.response_types ?? []).every((type) => type === 'code')],
  [
    `signatures must be made with one of ${ALGORITHMS.join(', ')}`,
    (m) => isStrong(m.id_token_signed_response_alg) && isStrong(m.request_object_signing_alg),
  ],
];

/**
 * Checks a client that wants to be held to FAPI 2.0: a profile that it can't follow is refused at
 * registration rather than found out in production.
 *
 * @throws InvalidClientMetadata with every rule that is broken.
 */
export function checkFapiProfile(profile: unknown, metadata: ClientMetadata): void {
  if (profile !== '2.0') throw new errors.InvalidClientMetadata('fapi_profile must be 2.0');
  const broken = RULES.filter(([, holds]) => !holds(metadata)).map(([words]) => words);
  if (broken.length > 0) {
    throw new errors.InvalidClientMetadata(`fapi_profile 2.0: ${broken.join('; ')}`);
  }
}

/** The profile a client is held to, if any; also the library's hook. */
export function fapiProfile(
  _ctx: KoaContextWithOIDC | undefined,
  client: Client | undefined,
): '2.0' | undefined {
  return client?.fapi_profile === '2.0' ? '2.0' : undefined;
}

/** Holds a request object to the profile. @throws InvalidRequestObject */
export function checkRequestObject(claims: JWTPayload, client: Client): void {
  if (fapiProfile(undefined, client) === undefined) return;
  const { exp, nbf, aud } = claims;
  if (exp === undefined || nbf === undefined || aud === undefined) {
    throw new errors.InvalidRequestObject('exp, nbf and aud are required');
  }
  if (exp - nbf > REQUEST_LIFETIME) {
    throw new errors.InvalidRequestObject('exp is too far from nbf');
  }
}
