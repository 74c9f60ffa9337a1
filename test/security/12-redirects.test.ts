import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

const REGISTERED = 'https://app.example.com/callback';
const LOGGED_OUT = 'https://app.example.com/bye';

let app: TestApp;
let web: Client;
let native: Client;

beforeAll(async () => {
  app = await startApp({ DYNAMIC_REGISTRATION: 'token' });
  const uris = { redirectUris: [REGISTERED], postLogoutRedirectUris: [LOGGED_OUT] };
  ({ client: web } = await app.createClient(uris));
  ({ client: native } = await app.createClient({
    kind: 'native',
    redirectUris: ['http://127.0.0.1/callback', 'com.example.app:/callback'],
  }));
});
afterAll(() => app.stop());

/** Ways to write something that looks like the registered address, or leads elsewhere. */
const LOOKALIKES = [
  'https://app.example.com/callback/',
  'https://app.example.com/callback?x=1',
  'https://app.example.com/callback#x',
  'https://app.example.com/callback/../callback',
  'https://app.example.com/callback%2f',
  'https://app.example.com//callback',
  'https://app.example.com/%63allback',
  'https://app.example.com:443/callback',
  'https://APP.example.com/callback',
  'HTTPS://app.example.com/callback',
  'http://app.example.com/callback',
  'https://app.example.com.evil.example/callback',
  'https://app.example.com@evil.example/callback',
  'https://evil.example/https://app.example.com/callback',
  'https://evil.example\\@app.example.com/callback',
  'https:\\\\app.example.com\\callback',
  '//app.example.com/callback',
  '//evil.example',
  '/\\evil.example',
  '/callback',
  'javascript:alert(1)//https://app.example.com/callback',
  'data:text/html,<script>alert(1)</script>',
  ' https://app.example.com/callback',
  'https://app.example.com/callback ',
  'https://app.example.com/callback\t',
  'https://app.example.com/\ncallback',
  'https://app.example.com/callback\r\nLocation: https://evil.example',
  'https://app.example.com/ｃallback',
  'urn:ietf:wg:oauth:2.0:oob',
];

describe('security 12: return addresses match exactly', () => {
  test.each(LOOKALIKES)(
    'security 12: redirect_uri %j gets an error page, never a redirect',
    async (uri) => {
      const url = authorizationUrl(app, web.id, { redirect_uri: uri });
      const response = await createVisitor().request(url);
      expect(response.status).toBe(400);
      expect(response.headers.get('location')).toBeNull();
      expect(await response.text()).toContain('data-page="error"');
    },
  );

  test('security 12: a request without redirect_uri is refused, however few are registered', async () => {
    const page = await createVisitor().open(
      authorizationUrl(app, web.id, { redirect_uri: undefined }),
    );
    expect(page.status).toBe(400);
    expect(pageName(page)).toBe('error');
  });

  test('security 12: two redirect_uri parameters are refused', async () => {
    const url = `${authorizationUrl(app, web.id, { redirect_uri: REGISTERED })}&redirect_uri=https://evil.example/`;
    const response = await createVisitor().request(url);
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
  });

  test.each([
    ['http://127.0.0.1:51234/callback', true],
    ['http://127.0.0.1/callback', true],
    ['com.example.app:/callback', true],
    ['http://127.0.0.1:51234/other', false],
    ['http://127.0.0.2:51234/callback', false],
    ['http://localhost:51234/callback', false],
    ['http://[::1]:51234/callback', false],
    ['https://127.0.0.1:51234/callback', false],
    ['http://127.0.0.1:51234@evil.example/callback', false],
    ['com.example.app://evil/callback', false],
  ])(
    'security 12: a native app at %s: %s (RFC 8252 §7.3, the port aside)',
    async (uri, allowed) => {
      const url = authorizationUrl(app, native.id, { redirect_uri: uri });
      expect((await createVisitor().request(url)).status).toBe(allowed ? 303 : 400);
    },
  );

  test('security 12: a web app at a loopback address gets no other port', async () => {
    const { client } = await app.createClient({ redirectUris: ['http://127.0.0.1:4000/callback'] });
    const url = authorizationUrl(app, client.id, {
      redirect_uri: 'http://127.0.0.1:4001/callback',
    });
    expect((await createVisitor().request(url)).status).toBe(400);
  });

  test.each(LOOKALIKES.map((uri) => uri.replaceAll('callback', 'bye')))(
    'security 12: post_logout_redirect_uri %j is refused',
    async (uri) => {
      const url = new URL(`${app.issuer}/logout`);
      url.searchParams.set('client_id', web.id);
      url.searchParams.set('post_logout_redirect_uri', uri);
      const response = await createVisitor().request(url.href);
      expect(response.status).toBe(400);
      expect(response.headers.get('location')).toBeNull();
    },
  );

  test.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'https://app.example.com/callback#fragment',
    '/callback',
    '//evil.example/callback',
    'https://',
    'http://app.example.com:99999/callback',
  ])('security 12: a client with redirect URI %j is not created', async (uri) => {
    await expect(app.createClient({ redirectUris: [uri] })).rejects.toThrow(/redirect_uris/);
  });
});
