import { createHash } from 'node:crypto';
import { CALLBACK, type TestApp } from './app.ts';

/** A PKCE verifier (RFC 7636 §4.1) for requests that needn't have one of their own. */
export const VERIFIER = 'a-verifier-of-enough-characters-for-every-test-0';
/** Its S256 challenge. */
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

export type Credentials = { client: { id: string }; secret: string | undefined };

/** The URL at which a client starts a sign-in; undefined takes a parameter out. */
export function authorizationUrl(
  app: Pick<TestApp, 'issuer'>,
  clientId: string,
  params: Record<string, string | undefined> = {},
): string {
  const url = new URL(`${app.issuer}/authorize`);
  const all: Record<string, string | undefined> = {
    client_id: clientId,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid email',
    state: 'some-state',
    nonce: 'some-nonce',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...params,
  };
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

/** What a callback carries. */
export function callbackParams(url: string): Record<string, string> {
  return Object.fromEntries(new URL(url).searchParams);
}

/** POST of form fields as a client authenticated by secret, or a public one. */
export function postAs(
  url: string,
  { client, secret }: Credentials,
  fields: Record<string, string>,
): Promise<Response> {
  const basic = Buffer.from(`${client.id}:${encodeURIComponent(secret ?? '')}`).toString('base64');
  return fetch(url, {
    method: 'POST',
    headers: secret === undefined ? {} : { authorization: `Basic ${basic}` },
    body: new URLSearchParams(secret === undefined ? { ...fields, client_id: client.id } : fields),
  });
}

/** Redeems the code of a callback. */
export function redeem(
  app: Pick<TestApp, 'issuer'>,
  credentials: Credentials,
  code: string,
  fields: Record<string, string> = {},
): Promise<Response> {
  return postAs(`${app.issuer}/token`, credentials, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    ...fields,
  });
}
