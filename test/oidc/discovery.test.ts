import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty } from '../support/relying-party.ts';

const DOCUMENTS = ['openid-configuration', 'oauth-authorization-server'];

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

describe.each(DOCUMENTS)('/.well-known/%s', (name) => {
  const read = (init?: RequestInit) => fetch(`${app.issuer}/.well-known/${name}`, init);

  test('is JSON that any origin may read and keep', async () => {
    const response = await read({ headers: { origin: 'https://anywhere.example' } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('cache-control')).toBe(
      `public, max-age=${app.config.keys.publishSeconds}`,
    );
  });

  test('answers 304 to who has it already', async () => {
    const etag = (await read()).headers.get('etag') as string;
    const again = await read({ headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect(again.headers.get('etag')).toBe(etag);
    expect(await again.text()).toBe('');
    const other = await read({ headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  });

  test('answers HEAD as it answers GET, without the body', async () => {
    const response = await read({ method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('etag')).toBe((await read()).headers.get('etag'));
    expect(await response.text()).toBe('');
  });

  test('says what the server does, under the issuer', async () => {
    const metadata = (await (await read()).json()) as oidc.ServerMetadata;
    expect(metadata).toMatchObject({
      issuer: app.issuer,
      authorization_endpoint: `${app.issuer}/authorize`,
      token_endpoint: `${app.issuer}/token`,
      userinfo_endpoint: `${app.issuer}/userinfo`,
      jwks_uri: `${app.issuer}/jwks`,
      introspection_endpoint: `${app.issuer}/introspect`,
      revocation_endpoint: `${app.issuer}/revoke`,
      end_session_endpoint: `${app.issuer}/logout`,
      device_authorization_endpoint: `${app.issuer}/device/authorize`,
      pushed_authorization_request_endpoint: `${app.issuer}/par`,
      registration_endpoint: `${app.issuer}/register`,
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      claims_parameter_supported: true,
      request_parameter_supported: true,
      request_uri_parameter_supported: false,
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public'],
      response_types_supported: ['code', 'code id_token', 'id_token', 'none'],
      acr_values_supported: ['urn:plinto:acr:1fa', 'urn:plinto:acr:2fa', 'phr'],
      prompt_values_supported: ['none', 'login', 'consent'],
      scopes_supported: [
        'openid',
        'offline_access',
        'profile',
        'email',
        'phone',
        'address',
        'organizations',
      ],
      id_token_signing_alg_values_supported: expect.arrayContaining(['ES256', 'RS256', 'PS256']),
      dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
      grant_types_supported: expect.arrayContaining([
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:device_code',
      ]),
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      claims_supported: expect.arrayContaining(['sub', 'email', 'address', 'auth_time', 'acr']),
    });
  });

  test('offers nothing that is broken: no symmetric algorithm, no alg none', async () => {
    const algorithms = Object.entries((await (await read()).json()) as object)
      .filter(([key]) => key.endsWith('alg_values_supported'))
      .flatMap(([, values]) => values as string[]);
    expect(algorithms.length).toBeGreaterThan(10);
    expect(algorithms.filter((alg) => /^(none|HS|RSA1_5|A\d|dir)/.test(alg))).toEqual([]);
  });
});

test('the key set holds public keys only, one of each kind, and may be kept', async () => {
  const response = await fetch(`${app.issuer}/jwks`);
  expect(response.headers.get('content-type')).toMatch(/^application\/jwk-set\+json/);
  expect(response.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
  const { keys } = (await response.json()) as { keys: Record<string, string>[] };
  expect(keys.map(({ kty, use }) => `${kty} ${use}`).sort()).toEqual([
    'EC enc',
    'EC sig',
    'OKP sig',
    'RSA enc',
    'RSA sig',
  ]);
  for (const key of keys) {
    expect(Object.keys(key).filter((name) => /^(d|p|q|dp|dq|qi|k)$/.test(name))).toEqual([]);
    expect(key.kid).toMatch(/^[\w-]{43}$/);
  }
  const etag = response.headers.get('etag') as string;
  const again = await fetch(`${app.issuer}/jwks`, { headers: { 'if-none-match': etag } });
  expect(again.status).toBe(304);
});

/** The answer to a request written by hand: fetch() lets nobody choose a Host or a full address. */
function rawRequest(port: number, head: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${[...head, 'Connection: close'].join('\r\n')}\r\n\r\n`);
  return text(socket);
}

test.each([
  ['Host', 'GET PATH HTTP/1.1', 'Host: evil.example'],
  ['X-Forwarded-Host', 'GET PATH HTTP/1.1', 'Host: localhost', 'X-Forwarded-Host: evil.example'],
  ['Forwarded', 'GET PATH HTTP/1.1', 'Host: localhost', 'Forwarded: host=evil.example'],
  ['the request line', 'GET http://evil.example/PATH HTTP/1.1', 'Host: evil.example'],
])('nobody names another server by %s, for themselves or for others', async (_, ...head) => {
  // A server of its own, so that this is the first to ask it for the document.
  const { port, stop } = await app.startReplica();
  const path = '/.well-known/openid-configuration';
  const filled = head.map((line) => line.replace(/\/?PATH/, path));
  const answer = await rawRequest(port, filled);
  expect(answer).toContain(`"token_endpoint":"${app.issuer}/token"`);
  expect(answer).not.toContain('evil.example');
  const next = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  expect(next).not.toContain('evil.example');
  await stop();
});

test('documents of nobody are not found', async () => {
  for (const path of ['/.well-known/openid-credential-issuer', '/jwks/elsewhere']) {
    expect((await fetch(`${app.issuer}${path}`)).status).toBe(404);
  }
});

describe('an issuer with a path', () => {
  let tenant: TestApp;
  let origin: string;
  beforeAll(async () => {
    const port = await freePort();
    origin = `http://localhost:${port}`;
    tenant = await startApp({ ISSUER: `${origin}/id/acme`, PORT: String(port) });
    await tenant.createUser();
  });
  afterAll(() => tenant.stop());

  test.each([
    ...DOCUMENTS.map((name) => `/id/acme/.well-known/${name}`),
    ...DOCUMENTS.map((name) => `/.well-known/${name}/id/acme`),
  ])('is described at %s', async (path) => {
    const metadata = (await (await fetch(`${origin}${path}`)).json()) as oidc.ServerMetadata;
    expect(metadata.issuer).toBe(`${origin}/id/acme`);
    expect(metadata.token_endpoint).toBe(`${origin}/id/acme/token`);
  });

  test.each(DOCUMENTS)('is not described at the root: /.well-known/%s', async (name) => {
    expect((await fetch(`${origin}/.well-known/${name}`)).status).toBe(404);
  });

  test('is found by both algorithms of a client library, and signs a person in', async () => {
    const { client } = await tenant.createClient();
    const found = await oidc.discovery(new URL(tenant.issuer), client.id, undefined, oidc.None(), {
      algorithm: 'oauth2',
      execute: [oidc.allowInsecureRequests],
    });
    expect(found.serverMetadata().issuer).toBe(tenant.issuer);
    const party = await createRelyingParty(tenant);
    const tokens = await party.signIn();
    const keys = createRemoteJWKSet(new URL(`${tenant.issuer}/jwks`));
    const { payload } = await jwtVerify(String(tokens.id_token), keys);
    expect(payload.iss).toBe(tenant.issuer);
  });
});
