import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';

const SEED = 20261123;

let app: TestApp;
let credentials: Credentials;
/** An interaction that waits, with the cookies of its browser. */
let interaction: { path: string; cookie: string };

beforeAll(async () => {
  app = await startApp({ DYNAMIC_REGISTRATION: 'token' });
  await app.createUser();
  credentials = await app.createClient();
  const visitor = createVisitor();
  const page = await visitor.open(authorizationUrl(app, credentials.client.id));
  interaction = {
    path: new URL(page.url).pathname,
    cookie: await visitor.jar.getCookieString(page.url),
  };
});
afterAll(() => app.stop());

const GETS = [
  '/',
  '/authorize',
  '/authorize/x',
  '/device',
  '/device/x',
  '/logout',
  '/logout/success',
  '/userinfo',
  '/register/x',
  '/setup/x',
  '/interaction/x',
  '/assets/x/y',
  '/.well-known/openid-configuration',
];
const POSTS = [
  '/authorize',
  '/token',
  '/par',
  '/introspect',
  '/revoke',
  '/register',
  '/device',
  '/device/authorize',
  '/logout',
  '/logout/confirm',
  '/userinfo',
  '/setup/x',
  'INTERACTION/login',
  'INTERACTION/password',
  'INTERACTION/consent',
  'INTERACTION/switch',
  'INTERACTION/abort',
];
const NAMES = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'prompt',
  'max_age',
  'claims',
  'request',
  'request_uri',
  'resource',
  'id_token_hint',
  'login_hint',
  'ui_locales',
  'acr_values',
  'code_challenge',
  'code_challenge_method',
  'authorization_details',
  'dpop_jkt',
  'grant_type',
  'code',
  'code_verifier',
  'refresh_token',
  'token',
  'token_type_hint',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'user_code',
  'xsrf',
  'csrf',
  'identifier',
  'password',
  'new_password',
  '__proto__',
  'constructor',
  'a[b][c]',
];

/** What breaks parsers, as well as plain noise. */
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\ud800',
    '{"id_token":{"acr":{"essential":true,"values":7}}}',
    '{"__proto__":{"x":1}}',
    '{',
    '[]',
    'null',
    '-1',
    '1e999',
    'NaN',
    'eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.',
    'a.b.c',
    'a.b.c.d.e',
    'urn:ietf:params:oauth:request_uri:x',
    'row.x.y',
    '../../../etc/passwd',
    'none login consent',
    'en-US-x-private de *',
    'x'.repeat(20_000),
    'openid '.repeat(2000),
    "' OR 1=1 --",
    '%00%ff%fe',
  ),
);
const parameters = fc.array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 8 });

/** Sends, and fails on what no input may lead to: a 5xx, a stack trace, an empty error. */
async function survives(path: string, init: RequestInit = {}): Promise<void> {
  const response = await fetch(`${app.issuer}${path}`, { redirect: 'manual', ...init });
  const body = await response.text();
  expect(response.status, `${init.method ?? 'GET'} ${path} ${body}`).toBeLessThan(500);
  expect(body).not.toMatch(/\n\s+at |node_modules|select .* from|\.ts:\d+/i);
  if (response.status >= 400) expect(body).not.toBe('');
}

function wellFormed(entries: [string, string][]): URLSearchParams {
  return new URLSearchParams(
    entries.map(([name, v]): [string, string] => [name, v.toWellFormed()]),
  );
}

describe('security 26: hostile input', () => {
  test('security 26: any parameters in any URL are answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...GETS), parameters, async (path, entries) => {
        await survives(`${path}?${wellFormed(entries as [string, string][])}`.slice(0, 15_000));
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  test('security 26: any parameters beside a known client are answered', async () => {
    await fc.assert(
      fc.asyncProperty(parameters, async (entries) => {
        const url = new URL(authorizationUrl(app, credentials.client.id));
        for (const [name, v] of entries) url.searchParams.set(name, v.toWellFormed());
        await survives(`${url.pathname}${url.search}`.slice(0, 15_000));
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  test('security 26: any form to any endpoint is answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...POSTS), parameters, async (path, entries) => {
        await survives(path.replace('INTERACTION', interaction.path), {
          method: 'POST',
          headers: { cookie: interaction.cookie },
          body: wellFormed(entries as [string, string][]),
        });
      }),
      { numRuns: 200, seed: SEED },
    );
  });

  test('security 26: any JSON to registration is answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 6 }), async (json) => {
        await survives('/register', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
          body: JSON.stringify(json),
        });
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  test('security 26: any header values are answered', async () => {
    const header = fc.string({ unit: 'grapheme-ascii', maxLength: 300 });
    const names = [
      'authorization',
      'cookie',
      'dpop',
      'accept',
      'accept-language',
      'content-type',
      'origin',
      'user-agent',
      'x-forwarded-for',
      'x-request-id',
      'sec-fetch-site',
      'if-none-match',
      'range',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...GETS, '/token'),
        fc.array(fc.tuple(fc.constantFrom(...names), header), { maxLength: 6 }),
        async (path, headers) => {
          await survives(path, {
            method: path === '/token' ? 'POST' : 'GET',
            headers: headers.map(([name, v]) => [name, v.trim()] as [string, string]),
          });
        },
      ),
      { numRuns: 150, seed: SEED },
    );
  });

  test.each(POSTS)(
    'security 26: a body of 1 MB to %s is refused without being kept',
    async (path) => {
      const response = await fetch(
        `${app.issuer}${path.replace('INTERACTION', interaction.path)}`,
        {
          method: 'POST',
          redirect: 'manual',
          headers: {
            cookie: interaction.cookie,
            'content-type':
              path === '/register' ? 'application/json' : 'application/x-www-form-urlencoded',
          },
          body: `a=${'x'.repeat(1024 * 1024)}`,
        },
      ).catch((error: Error) => error);
      // The server may close the connection before all of it is sent.
      if (response instanceof Error)
        return expect(String(response.cause)).toMatch(/EPIPE|ECONNRESET|closed/);
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
    },
  );

  test.each([
    ['a NUL in the path', 'GET /interaction/%00 HTTP/1.1'],
    ['a broken escape', 'GET /interaction/%zz HTTP/1.1'],
    ['half a UTF-8 character', 'GET /setup/%c3%28 HTTP/1.1'],
    ['a broken escape in a client id', 'PUT /register/%zz HTTP/1.1\r\nContent-Length: 0'],
    ['an absolute URL of another host', 'GET http://evil.example/ HTTP/1.1'],
    ['two slashes', 'GET //evil.example/.. HTTP/1.1'],
    ['dots', 'GET /assets/../../package.json HTTP/1.1'],
    ['encoded dots', 'GET /assets/%2e%2e/%2e%2e/package.json HTTP/1.1'],
    ['an unknown method', 'PROPFIND / HTTP/1.1'],
    ['TRACE', 'TRACE / HTTP/1.1'],
    ['a method in lower case', 'get / HTTP/1.1'],
    ['no HTTP at all', 'hello'],
  ])('security 26: %s is answered with a 4xx', async (_what, line) => {
    const answer = await raw(`${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 (4\d\d|200|303) /);
    expect(answer).not.toMatch(/"dependencies"|Location: (https?:)?\/\/evil/i);
  });

  test('security 26: after all this the server still signs people in', async () => {
    const back = await createVisitor().signIn(
      authorizationUrl(app, credentials.client.id),
      CALLBACK,
    );
    const code = new URL(back.url).searchParams.get('code') ?? '';
    const tokens = await postAs(`${app.issuer}/introspect`, credentials, { token: code });
    expect(tokens.status).toBe(200);
    expect(code).not.toBe('');
  });
});

function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(app.config.port, '127.0.0.1', () => socket.write(request));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
