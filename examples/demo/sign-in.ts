import * as oidc from 'openid-client';

/** What the browser's session has to remember between leaving for the server and coming back. */
export type PendingSignIn = { state: string; nonce: string; verifier: string };

export type SignedIn = {
  idToken: string;
  accessToken: string;
  refreshToken: string | undefined;
  scope: string;
  /** Seconds since the epoch. */
  accessTokenExpiresAt: number;
  claims: oidc.IDToken;
  userinfo: oidc.UserInfoResponse;
};

/** The server as openid-client knows it from its discovery document. */
export async function connect(
  issuer: string,
  clientId: string,
  secret: string,
): Promise<oidc.Configuration> {
  const plain = issuer.startsWith('http:');
  return oidc.discovery(new URL(issuer), clientId, undefined, oidc.ClientSecretBasic(secret), {
    execute: plain ? [oidc.allowInsecureRequests] : [],
  });
}

/** The first half: where to send the browser, and what to remember. `prompt` as in OIDC Core §3.1.2.1. */
export async function beginSignIn(
  provider: oidc.Configuration,
  redirectUri: string,
  prompt: 'login' | 'create' | undefined,
): Promise<{ url: URL; pending: PendingSignIn }> {
  const pending = {
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    verifier: oidc.randomPKCECodeVerifier(),
  };
  const url = oidc.buildAuthorizationUrl(provider, {
    redirect_uri: redirectUri,
    scope: 'openid profile email offline_access',
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    ...(prompt === undefined ? {} : { prompt }),
  });
  return { url, pending };
}

/** The second half: the answer in `callback` against what was remembered. Throws when it isn't ours. */
export async function finishSignIn(
  provider: oidc.Configuration,
  callback: URL,
  pending: PendingSignIn,
): Promise<SignedIn> {
  const tokens = await oidc.authorizationCodeGrant(provider, callback, {
    expectedState: pending.state,
    expectedNonce: pending.nonce,
    pkceCodeVerifier: pending.verifier,
    idTokenExpected: true,
  });
  return describe(provider, tokens);
}

/** Trades the refresh token for new tokens; the old one is spent. */
export async function refresh(provider: oidc.Configuration, before: SignedIn): Promise<SignedIn> {
  const tokens = await oidc.refreshTokenGrant(provider, before.refreshToken ?? '');
  return describe(provider, tokens, before);
}

/** Where to send the browser to end the session at the server too. */
export function signOutUrl(
  provider: oidc.Configuration,
  idToken: string,
  postLogoutRedirectUri: string,
): URL {
  return oidc.buildEndSessionUrl(provider, {
    id_token_hint: idToken,
    post_logout_redirect_uri: postLogoutRedirectUri,
  });
}

type Tokens = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;

async function describe(
  provider: oidc.Configuration,
  tokens: Tokens,
  before?: SignedIn,
): Promise<SignedIn> {
  const claims = tokens.claims() ?? before?.claims;
  if (claims === undefined) throw new Error('the server sent no ID token');
  // What the server says of another person is refused here (OpenID Connect Core §5.3.2).
  const subject = before?.claims.sub ?? claims.sub;
  return {
    idToken: tokens.id_token ?? before?.idToken ?? '',
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? before?.refreshToken,
    scope: tokens.scope ?? before?.scope ?? '',
    accessTokenExpiresAt: Math.floor(Date.now() / 1000) + (tokens.expires_in ?? 0),
    claims,
    userinfo: await oidc.fetchUserInfo(provider, tokens.access_token, subject),
  };
}
