import type { ClientMetadata } from 'oidc-provider';
import type { Config } from '../../config.ts';

export const ACCOUNT_CLIENT_ID = 'plinto-account';

/**
 * The client as which the account pages ask people to sign in, or to do so once more. It wants
 * nothing but that: response_type `none` (OAuth 2.0 Multiple Response Types §4).
 */
export function accountClient(config: Config): ClientMetadata {
  return {
    client_id: ACCOUNT_CLIENT_ID,
    client_name: config.productName,
    first_party: true,
    redirect_uris: [`${config.issuer}/account/callback`],
    response_types: ['none'],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
    scope: 'openid',
  };
}
