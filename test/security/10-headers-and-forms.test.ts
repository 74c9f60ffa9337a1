import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  ({ client } = await app.createClient());
});
afterAll(() => app.stop());

describe('security 10: what another site can do', () => {
  test.each([
    ['a page', '/', 'text/html', 200],
    ['a sign-in page', 'authorize', 'text/html', 200],
    ['an error page', '/nope', 'text/html', 404],
    ['an error for a program', '/nope', 'application/json', 404],
    ['discovery', '/.well-known/openid-configuration', 'application/json', 200],
    ['a refused API request', '/userinfo', 'application/json', 401],
    ['a stylesheet', 'stylesheet', 'text/css', 200],
  ])('security 10: %s carries the headers (%s)', async (_what, where, accept, status) => {
    const visitor = createVisitor();
    const response = await visitor.request(await addressOf(visitor, where), {
      headers: { accept },
    });
    expect(response.status).toBe(status);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
    expect(policy).toMatch(/script-src 'nonce-[\w+/]{22}=='/);
    expect(policy).not.toMatch(/unsafe|form-action|\*/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('x-frame-options')).toBe('DENY');
    expect(response.headers.get('x-powered-by')).toBeNull();
  });

  test('security 10: every page has another nonce, and its script that one', async () => {
    const visitor = createVisitor();
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const page = await visitor.open(`${app.issuer}/`);
        const nonce = /script-src 'nonce-([^']+)'/.exec(
          page.headers.get('content-security-policy') ?? '',
        )?.[1];
        expect(page.html).toContain(`nonce="${nonce}"`);
        return nonce;
      }),
    );
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test('security 10: pages are not kept by caches', async () => {
    const page = await createVisitor().open(authorizationUrl(app, client.id));
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  test.each([
    ['no token', {}, (f: Fields) => ({ ...f, csrf: undefined })],
    ['an empty token', {}, (f: Fields) => ({ ...f, csrf: '' })],
    ['a token of another flow', {}, (f: Fields, other: string) => ({ ...f, csrf: other })],
    ['a token with one character changed', {}, (f: Fields) => ({ ...f, csrf: flip(f.csrf) })],
    ['a cross-site form', { 'sec-fetch-site': 'cross-site' }, same],
    ['a form of a sibling site', { 'sec-fetch-site': 'same-site' }, same],
    ['another origin', { origin: 'https://evil.example' }, same],
    ['an opaque origin without Sec-Fetch-Site', { origin: 'null' }, same],
    ['an origin that only starts like ours', { origin: 'ISSUER.evil.example' }, same],
  ] as [string, Record<string, string>, (f: Fields, other: string) => Fields][])(
    'security 10: a sign-in form with %s is refused and proves nothing',
    async (_what, headers, change) => {
      const visitor = createVisitor();
      const page = await visitor.open(authorizationUrl(app, client.id));
      const other = csrfOf(await createVisitor().open(authorizationUrl(app, client.id)));
      const fields = change(
        { csrf: csrfOf(page), identifier: 'ada@example.com', password: PASSWORD },
        other,
      );
      const sent = Object.entries(headers).map(([k, v]) => [k, v.replace('ISSUER', app.issuer)]);
      const response = await visitor.request(`${page.url}/login`, {
        method: 'POST',
        headers: Object.fromEntries(sent),
        body: new URLSearchParams(
          Object.entries(fields).filter((e): e is [string, string] => e[1] !== undefined),
        ),
      });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain('data-page="error"');
      // The flow still waits for its sign-in.
      expect(pageName(await visitor.open(page.url, CALLBACK))).toBe('login');
    },
  );

  test.each([
    ['our own form', (issuer: string) => ({ origin: issuer, 'sec-fetch-site': 'same-origin' })],
    ['our own form under no-referrer', () => ({ origin: 'null', 'sec-fetch-site': 'same-origin' })],
  ])('security 10: %s is accepted', async (_what, headers) => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, client.id));
    const response = await visitor.request(`${page.url}/login`, {
      method: 'POST',
      headers: headers(app.issuer) as Record<string, string>,
      body: new URLSearchParams({
        csrf: csrfOf(page),
        identifier: 'ada@example.com',
        password: PASSWORD,
      }),
    });
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toContain('/authorize/');
  });

  test('security 10: signing out needs the form of the page that asks', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, client.id), CALLBACK);
    const response = await visitor.request(`${app.issuer}/logout/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ logout: 'yes', xsrf: 'guessed' }),
    });
    expect(response.status).toBe(400);
    const again = await visitor.open(authorizationUrl(app, client.id), CALLBACK);
    expect(again.url).toContain(`${CALLBACK}?code=`);
  });
});

type Fields = Record<string, string | undefined>;

function same(fields: Fields): Fields {
  return fields;
}

function flip(token: string | undefined): string {
  const text = String(token);
  return (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
}

function csrfOf(page: Page): string {
  return /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
}

async function addressOf(visitor: Visitor, where: string): Promise<string> {
  if (where === 'authorize') return (await visitor.open(authorizationUrl(app, client.id))).url;
  if (where !== 'stylesheet') return `${app.issuer}${where}`;
  const home = await visitor.open(`${app.issuer}/`);
  return new URL(/href="([^"]+\.css)"/.exec(home.html)?.[1] ?? '', app.issuer).href;
}
