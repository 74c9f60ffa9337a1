import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import type { Configuration } from 'openid-client';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

export type LogoutNotice = { sub: string | undefined; sid: string | undefined };

/**
 * Verifier of logout tokens (OpenID Connect Back-Channel Logout §2.6), which openid-client leaves to
 * the app. It throws when the token isn't the server's, isn't for this client, or isn't new.
 */
export function createLogoutVerifier(
  provider: Configuration,
): (token: string) => Promise<LogoutNotice> {
  const { issuer, jwks_uri } = provider.serverMetadata();
  const { client_id } = provider.clientMetadata();
  const keys = createRemoteJWKSet(new URL(jwks_uri as string));
  const seen = new Set<string>();
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: client_id,
      typ: 'logout+jwt',
      maxTokenAge: '2 minutes',
      requiredClaims: ['jti', 'iat', 'events'],
    });
    assertLogout(payload);
    if (seen.has(payload.jti as string)) throw new Error('the token was used before');
    seen.add(payload.jti as string);
    return { sub: payload.sub, sid: payload.sid as string | undefined };
  };
}

function assertLogout(payload: JWTPayload & { events?: Record<string, unknown> }): void {
  if (payload.events?.[EVENT] === undefined) throw new Error('not a logout event');
  if (payload.nonce !== undefined) throw new Error('an ID token, not a logout token');
  if (payload.sub === undefined && payload.sid === undefined) throw new Error('of nobody');
}
