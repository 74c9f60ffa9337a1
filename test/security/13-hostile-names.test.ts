import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, CHALLENGE } from '../support/authorization.ts';
import { createVisitor, type Page, pageName } from '../support/visitor.ts';

const SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{123457*8}}<%= 123457*8 %>';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser({ profile: { name: SCRIPT } });
});
afterAll(() => app.stop());

/** No markup of the stranger's, and no handler or address that runs. */
function expectInert(page: Page): void {
  const markup = page.html.replace(/="[^"]*"/g, '=""');
  expect(markup).not.toMatch(/<script>alert|<img|<[^>]+\son\w+=/i);
  expect(page.html).not.toMatch(/(href|src|action)="\s*javascript:/i);
  expect(page.html).not.toContain('987656');
}

describe('security 13: words of strangers are inert', () => {
  test('security 13: on sign-in, consent, device and sign-out pages an app is text', async () => {
    const { client } = await app.createClient({
      name: SCRIPT,
      firstParty: false,
      scope: 'openid email',
      metadata: {
        client_uri: `https://x.example/?${encodeURIComponent(SCRIPT)}`,
        tos_uri: 'https://x.example/t',
      },
    });
    const visitor = createVisitor();
    const login = await visitor.open(
      authorizationUrl(app, client.id, { login_hint: SCRIPT, ui_locales: SCRIPT, state: SCRIPT }),
    );
    expect(pageName(login)).toBe('login');
    expect(login.html).toContain('&lt;script&gt;');
    expectInert(login);

    const consent = await visitor.submit(login, '/login', {
      identifier: 'ada@example.com',
      password: 'violet-kettle-orbits-42',
    });
    expect(pageName(consent)).toBe('consent');
    expectInert(consent);

    const logout = await visitor.open(
      `${app.issuer}/logout?client_id=${client.id}&state=${encodeURIComponent(SCRIPT)}`,
    );
    expect(pageName(logout)).toBe('logout');
    expectInert(logout);
  });

  test('security 13: state comes back as it was sent, encoded', async () => {
    const { client } = await app.createClient();
    const back = await createVisitor().signIn(
      authorizationUrl(app, client.id, { state: SCRIPT }),
      CALLBACK,
    );
    expect(new URL(back.url).searchParams.get('state')).toBe(SCRIPT);
    expect(back.url).not.toContain('<');
  });

  test('security 13: with form_post, state is a value and nothing else', async () => {
    const { client } = await app.createClient();
    const page = await createVisitor().signIn(
      authorizationUrl(app, client.id, { state: SCRIPT, response_mode: 'form_post' }),
      CALLBACK,
    );
    expect(page.html).toContain('name="state"');
    expectInert(page);
  });

  test.each([
    ['client_id', { client_id: SCRIPT }],
    ['response_type', { response_type: SCRIPT }],
    ['scope', { scope: SCRIPT, redirect_uri: 'https://nope.example' }],
    ['redirect_uri', { redirect_uri: SCRIPT }],
    ['claims', { claims: SCRIPT, redirect_uri: SCRIPT }],
    ['prompt', { prompt: SCRIPT, redirect_uri: SCRIPT }],
  ])('security 13: an error page about %s is inert', async (_name, params) => {
    const { client } = await app.createClient();
    const page = await createVisitor().open(
      authorizationUrl(app, client.id, params as Record<string, string>),
      CALLBACK,
    );
    if (page.html !== '') expectInert(page);
    expect(page.url).not.toContain('<script');
  });

  test('security 13: what a device says of itself is inert', async () => {
    const { client } = await app.createClient({ kind: 'native', name: SCRIPT });
    const started = await fetch(`${app.issuer}/device/authorize`, {
      method: 'POST',
      headers: { 'user-agent': SCRIPT },
      body: new URLSearchParams({ client_id: client.id, scope: 'openid' }),
    });
    const { user_code } = (await started.json()) as { user_code: string };
    const visitor = createVisitor();
    const entry = await visitor.open(`${app.issuer}/device`);
    const confirm = await visitor.submit(entry, '/device', { user_code });
    expect(pageName(confirm)).toBe('device-confirm');
    expectInert(confirm);
    const wrong = await visitor.submit(entry, '/device', { user_code: SCRIPT });
    expectInert(wrong);
  });

  test('security 13: addresses of an app that are no web pages are refused', async () => {
    for (const name of ['client_uri', 'policy_uri', 'tos_uri', 'logo_uri', 'initiate_login_uri']) {
      await expect(
        app.createClient({ metadata: { [name]: 'javascript:alert(1)' } }),
        name,
      ).rejects.toThrow();
    }
  });

  test('security 13: no page loads a picture from where an app says its logo is', async () => {
    const { client } = await app.createClient({
      metadata: { logo_uri: 'https://tracker.example/logo.png' },
    });
    const page = await createVisitor().open(
      authorizationUrl(app, client.id, { code_challenge: CHALLENGE }),
    );
    expect(page.html).not.toContain('tracker.example');
  });
});
