import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

/** What no answer may hold: stack traces, paths of files, SQL, names of our libraries. */
const INSIDES = /\bat [\w.]+ \(|node_modules|\/src\/|SELECT |knex|oidc-provider|TypeError/;

let app: TestApp;
let party: RelyingParty;

const printed = [vi.spyOn(console, 'info'), vi.spyOn(console, 'warn'), vi.spyOn(console, 'log')];

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

async function authorize(change: Record<string, string | undefined>) {
  const url = new URL((await party.authorize()).url);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return createVisitor().open(url.href, CALLBACK);
}

describe('an authorization request', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['of an unknown client', { client_id: 'unknown' }],
    ['of no client', { client_id: undefined }],
    ['of a client with an endless name', { client_id: 'x'.repeat(5000) }],
    ['to no redirect_uri', { redirect_uri: undefined }],
    ['to another redirect_uri', { redirect_uri: 'https://evil.example/' }],
    ['to a longer redirect_uri', { redirect_uri: `${CALLBACK}/more` }],
    ['to a redirect_uri with a query', { redirect_uri: `${CALLBACK}?x=1` }],
    ['to a redirect_uri in capitals', { redirect_uri: CALLBACK.replace('callback', 'CALLBACK') }],
    ['to a redirect_uri at another port', { redirect_uri: CALLBACK.replace(':9', ':10') }],
    ['to a redirect_uri with credentials', { redirect_uri: CALLBACK.replace('//', '//me@') }],
    ['to a redirect_uri that climbs', { redirect_uri: `${CALLBACK}/../callback` }],
    ['to a javascript: redirect_uri', { redirect_uri: 'javascript:alert(1)' }],
    ['to a redirect_uri without a scheme', { redirect_uri: '//127.0.0.1:9/callback' }],
  ])('%s is answered with a page, never a redirect', async (_, change) => {
    const page = await authorize(change);
    expect(pageName(page)).toBe('error');
    expect(page.status).toBe(400);
    expect(page.url.startsWith(`${app.issuer}/authorize`)).toBe(true);
    expect(page.html).toMatch(/<code>[\w-]{36}<\/code>/);
    expect(page.html).not.toMatch(INSIDES);
    expect(page.html).not.toContain('href="javascript:');
  });

  test.each<[string, string, Record<string, string | undefined>]>([
    ['without a response_type', 'invalid_request', { response_type: undefined }],
    ['for an unknown response_type', 'unsupported_response_type', { response_type: 'dance' }],
    ['for an unknown response_mode', 'unsupported_response_mode', { response_mode: 'dance' }],
    ['for a scope it may not have', 'invalid_scope', { scope: 'openid address' }],
    ['for a malformed scope', 'invalid_scope', { scope: 'openid "quoted\\"' }],
    ['with a registration', 'registration_not_supported', { registration: '{}' }],
    ['with a broken hint', 'invalid_request', { id_token_hint: 'nonsense' }],
  ])('%s is answered to the client: %s', async (_, error, change) => {
    const page = await authorize(change);
    const answer = new URL(page.url).searchParams;
    expect(page.url.startsWith(CALLBACK)).toBe(true);
    expect(answer.get('error')).toBe(error);
    expect(answer.get('iss')).toBe(app.issuer);
    expect(answer.get('state')).toBeTypeOf('string');
  });

  test('with a parameter twice is refused', async () => {
    const { url } = await party.authorize();
    const page = await createVisitor().open(`${url}&state=other`, CALLBACK);
    expect(page.url).toMatch(/error=invalid_request/);
  });

  test('of an app on this device may come back to any port of it (RFC 8252 §7.3)', async () => {
    const redirectUris = ['http://127.0.0.1/cb', 'http://[::1]/cb', 'com.example.app:/cb'];
    const native = await createRelyingParty(app, { kind: 'native', redirectUris });
    for (const [redirect_uri, good] of [
      ['http://127.0.0.1:51234/cb', true],
      ['http://[::1]:51234/cb', true],
      ['com.example.app:/cb', true],
      ['http://127.0.0.1:51234/other', false],
      ['http://127.0.0.2:51234/cb', false],
      ['http://localhost:51234/cb', false],
      ['https://127.0.0.1:51234/cb', false],
      ['com.example.app:/other', false],
    ] as const) {
      const page = await createVisitor().open((await native.authorize({ redirect_uri })).url);
      expect(`${redirect_uri} ${pageName(page)}`).toBe(
        `${redirect_uri} ${good ? 'login' : 'error'}`,
      );
    }
  });
});

describe('the token endpoint', () => {
  const send = (body: string | Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${app.issuer}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${party.client.id}:${party.secret}`)}`,
        ...(typeof body === 'string'
          ? { 'content-type': 'application/x-www-form-urlencoded' }
          : {}),
        ...headers,
      },
      body: typeof body === 'string' ? body : new URLSearchParams(body),
    });

  test.each<[string, number, string, string | Record<string, string>, Record<string, string>?]>([
    ['nothing', 400, 'invalid_request', ''],
    ['an unknown grant', 400, 'unsupported_grant_type', { grant_type: 'password' }],
    ['a grant of Object.prototype', 400, 'unsupported_grant_type', { grant_type: 'constructor' }],
    ['no code', 400, 'invalid_request', { grant_type: 'authorization_code' }],
    [
      'a guessed code',
      400,
      'invalid_grant',
      { grant_type: 'authorization_code', code: 'x', redirect_uri: CALLBACK },
    ],
    ['a NUL byte', 400, 'invalid_grant', { grant_type: 'refresh_token', refresh_token: 'a\0b' }],
    ['a field twice', 400, 'invalid_request', 'grant_type=refresh_token&grant_type=refresh_token'],
    ['JSON', 400, 'invalid_request', '{}', { 'content-type': 'application/json' }],
    [
      'a wrong secret',
      401,
      'invalid_client',
      { grant_type: 'refresh_token' },
      { authorization: 'Basic eDp5' },
    ],
    [
      'broken credentials',
      400,
      'invalid_request',
      { grant_type: 'refresh_token' },
      { authorization: 'Basic %%%' },
    ],
    [
      'another scheme',
      400,
      'invalid_request',
      { grant_type: 'refresh_token' },
      { authorization: 'Negotiate abc' },
    ],
    [
      'an endless token',
      400,
      'invalid_grant',
      { grant_type: 'refresh_token', refresh_token: 'x'.repeat(50_000) },
    ],
    [
      'a megabyte',
      400,
      'invalid_request',
      { grant_type: 'refresh_token', refresh_token: 'x'.repeat(1_000_000) },
    ],
  ])('answers %s with JSON: %i %s', async (_, status, error, body, headers) => {
    const response = await send(body, headers);
    const text = await response.text();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(response.headers.get('cache-control')).toMatch(/no-store/);
    expect(JSON.parse(text)).toMatchObject({ error });
    expect(text).not.toMatch(INSIDES);
    expect(
      Object.keys(JSON.parse(text)).filter((k) => !/^(error(_description)?|scope)$/.test(k)),
    ).toEqual([]);
  });

  test('asks for credentials where they were wrong (RFC 6749 §5.2)', async () => {
    const response = await send({ grant_type: 'refresh_token' }, { authorization: 'Basic eDp5' });
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('does not take %s', async (method) => {
    const response = await fetch(`${app.issuer}/token`, {
      method,
      headers: { accept: 'application/json' },
    });
    expect([404, 405]).toContain(response.status);
    expect(await response.json()).toEqual({
      error: expect.any(String),
      reference: expect.any(String),
    });
  });
});

test.each(['token', 'introspect', 'revoke', 'par', 'device/authorize', 'register', 'userinfo'])(
  '/%s answers what it can’t read with JSON',
  async (path) => {
    const response = await fetch(`${app.issuer}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', accept: 'application/json' },
      body: '\0\0\0',
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.text()).not.toMatch(INSIDES);
  },
);

test('nothing that went wrong here was a surprise', () => {
  const surprises = app.logs.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
  expect(surprises).toEqual([]);
});

test('the library prints no notices of its own', async () => {
  await party.signIn({ scope: 'openid offline_access' });
  expect(printed.flatMap((spy) => spy.mock.calls)).toEqual([]);
});
