import type Provider from 'oidc-provider';

/**
 * Makes the provider name its own addresses by the issuer. By itself it takes scheme and host from
 * the request, so that one request with a forged Host would put another server's endpoints into the
 * discovery document that everyone is served from memory (security 11).
 */
export function nameUrlsByIssuer(provider: Provider): void {
  provider.OIDCContext.prototype.urlFor = (name, options) => provider.urlFor(name, options);
}
