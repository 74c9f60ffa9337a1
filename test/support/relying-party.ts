import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oidc from 'openid-client';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, type TestApp, type TestClient } from './app.ts';
import { createVisitor, type Visitor } from './visitor.ts';

export type Tokens = Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;

/** An authorization request, and what is needed to redeem its answer. */
export type AuthorizationRequest = {
  url: string;
  checks: oidc.AuthorizationCodeGrantChecks;
  /** Redeems the code of the address the person was sent back to. */
  redeem: (
    callback: string | URL,
    parameters?: Record<string, string>,
    options?: oidc.DPoPOptions,
  ) => Promise<Tokens>;
};

export type Parameters = Record<string, string | string[]>;

/** A registered client, driven by openid-client. */
export type RelyingParty = {
  client: Client;
  secret: string | undefined;
  config: oidc.Configuration;
  /** An authorization request with PKCE, state and nonce. */
  authorize: (parameters?: Parameters) => Promise<AuthorizationRequest>;
  /** Code flow with the test user and a new visitor, unless others are given. */
  signIn: (
    parameters?: Parameters,
    who?: { visitor?: Visitor; identifier?: string },
  ) => Promise<Tokens>;
};

export type RelyingPartyInput = TestClient & {
  /** How the client authenticates where it isn't by a secret it was given, or by none. */
  auth?: oidc.ClientAuth;
};

/** Registers a client and discovers the provider with it. ID tokens' signatures are verified. */
export async function createRelyingParty(
  app: Pick<TestApp, 'issuer' | 'createClient'>,
  { auth, ...input }: RelyingPartyInput = {},
): Promise<RelyingParty> {
  const { client, secret } = await app.createClient(input);
  const config = await discover(app.issuer, client.id, secret, auth);
  return { client, secret, ...withConfig(config, client.metadata.redirect_uris?.[0]) };
}

/** openid-client's view of the provider, for one client. */
export function discover(
  issuer: string,
  clientId: string,
  secret?: string,
  auth: oidc.ClientAuth | undefined = secret === undefined ? oidc.None() : undefined,
): Promise<oidc.Configuration> {
  return oidc.discovery(new URL(issuer), clientId, secret, auth, {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  });
}

/** What a client does with a configuration it has. */
export function withConfig(
  config: oidc.Configuration,
  redirectUri = CALLBACK,
): Pick<RelyingParty, 'config' | 'authorize' | 'signIn'> {
  const authorize: RelyingParty['authorize'] = async (parameters = {}) => {
    const { checks, query } = await prepareRequest({ redirect_uri: redirectUri, ...parameters });
    const url = oidc.buildAuthorizationUrl(config, query).href;
    return { url, checks, redeem: redeemer(config, checks) };
  };
  return {
    config,
    authorize,
    signIn: async (parameters, { visitor = createVisitor(), ...as } = {}) => {
      const request = await authorize(parameters);
      const back = await visitor.signIn(request.url, redirectUri, as);
      return request.redeem(back.url);
    },
  };
}

/** Parameters of a request with PKCE, state and nonce, and the checks that go with its answer. */
export async function prepareRequest(
  parameters: Parameters,
): Promise<{ query: URLSearchParams; checks: oidc.AuthorizationCodeGrantChecks }> {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const scope = typeof parameters.scope === 'string' ? parameters.scope : 'openid';
  const checks: oidc.AuthorizationCodeGrantChecks = {
    pkceCodeVerifier,
    expectedState: oidc.randomState(),
    ...(scope.split(' ').includes('openid')
      ? { expectedNonce: oidc.randomNonce(), idTokenExpected: true }
      : {}),
  };
  const query = new URLSearchParams();
  const all = {
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState as string,
    ...(checks.expectedNonce ? { nonce: checks.expectedNonce } : {}),
    ...parameters,
  };
  for (const [name, value] of Object.entries(all)) {
    for (const one of [value].flat()) query.append(name, one);
  }
  return { query, checks };
}

/** How a request's answer is redeemed. */
export function redeemer(
  config: oidc.Configuration,
  checks: oidc.AuthorizationCodeGrantChecks,
): AuthorizationRequest['redeem'] {
  return (callback, parameters, options) =>
    oidc.authorizationCodeGrant(config, new URL(callback), checks, parameters, options);
}

/** The OAuth error code with which openid-client's promise is rejected. */
export async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof oidc.WWWAuthenticateChallengeError) {
      return error.cause[0]?.parameters.error ?? error.message;
    }
    const { error: code, message } = error as { error?: string; message: string };
    return code ?? message;
  }
  throw new Error('nothing was refused');
}

/** A client's back-channel logout endpoint (OpenID Connect Back-Channel Logout §2.5). */
export type LogoutReceiver = {
  url: string;
  /** The logout tokens received so far, each try counted. */
  tokens: string[];
  close: () => Promise<void>;
};

/**
 * Listens for logout tokens on a port of its own.
 *
 * @param answer the status for the n-th try, from 1; 'never' leaves it without an answer.
 */
export async function receiveLogouts(
  answer: (attempt: number) => number | 'never' = () => 200,
): Promise<LogoutReceiver> {
  const tokens: string[] = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    tokens.push(new URLSearchParams(body).get('logout_token') ?? '');
    const status = answer(tokens.length);
    if (status !== 'never') res.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/backchannel-logout`,
    tokens,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
