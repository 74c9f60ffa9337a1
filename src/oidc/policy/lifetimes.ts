import type { Configuration } from 'oidc-provider';
import type { Config } from '../../config.ts';
import { fapiProfile } from './fapi.ts';

const now = (): number => Math.floor(Date.now() / 1000);
const atLeastOne = (seconds: number): number => Math.max(1, Math.floor(seconds));

/**
 * Lifetimes in seconds. Refresh tokens and sessions have an idle limit, renewed by use, and an
 * absolute one that use doesn't move (RFC 9700 §4.14.2). Grants outlive every refresh token on them.
 */
export function lifetimes(config: Config): NonNullable<Configuration['ttl']> {
  const { ttl } = config;
  return {
    AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl.accessToken,
    AuthorizationCode: 60,
    ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl.accessToken,
    DeviceCode: ttl.deviceCode,
    Grant: grantLifetime(config),
    IdToken: ttl.idToken,
    Interaction: ttl.interaction,
    RefreshToken: (ctx, _token, client) => {
      // Used without rotation, it has no successor whose idle limit use could renew.
      if (fapiProfile(ctx, client)) return ttl.refreshToken;
      const age = ctx.oidc.entities.RotatedRefreshToken?.totalLifetime() ?? 0;
      return atLeastOne(Math.min(ttl.refreshTokenIdle, ttl.refreshToken - age));
    },
    Session: (_ctx, session) => {
      const age = session.loginTs === undefined ? 0 : now() - session.loginTs;
      return atLeastOne(Math.min(ttl.sessionIdle, ttl.session - age));
    },
  };
}

/** Seconds a grant lives: as long as anything issued from it can. */
export function grantLifetime(config: Config): number {
  return Math.max(config.ttl.refreshToken, config.ttl.session) + 86_400;
}
