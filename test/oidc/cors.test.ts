import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';

const APP = 'https://app.example.com';
const REDIRECT = `${APP}/callback`;
const ELSEWHERE = 'https://evil.example';

let app: TestApp;
let spa: RelyingParty;
let web: RelyingParty;
let open: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  const redirectUris = [REDIRECT];
  spa = await createRelyingParty(app, { kind: 'spa', redirectUris });
  web = await createRelyingParty(app, { redirectUris });
  open = await createRelyingParty(app, {
    redirectUris,
    metadata: { allowed_origins: ['https://console.example.com'] },
  });
});
afterAll(() => app.stop());

const allowed = (response: Response) => response.headers.get('access-control-allow-origin');

const refresh = (party: RelyingParty, origin: string) =>
  fetch(`${app.issuer}/token`, {
    method: 'POST',
    headers: {
      origin,
      ...(party.secret
        ? { authorization: `Basic ${btoa(`${party.client.id}:${party.secret}`)}` }
        : {}),
    },
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: 'none',
      client_id: party.client.id,
    }),
  });

describe('security 14: a single-page app', () => {
  test.each(['token', 'revoke', 'userinfo', 'introspect', 'par', 'device/authorize'])(
    'may ask first at /%s',
    async (path) => {
      const response = await fetch(`${app.issuer}/${path}`, {
        method: 'OPTIONS',
        headers: {
          origin: APP,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,dpop',
        },
      });
      expect(response.status).toBe(204);
      expect(allowed(response)).toBe(APP);
      expect(response.headers.get('access-control-allow-methods')).toContain('POST');
      expect(response.headers.get('access-control-allow-headers')).toContain('dpop');
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    },
  );

  test('reads answers from the origin of its redirect URI, errors as well', async () => {
    const response = await refresh(spa, APP);
    expect(allowed(response)).toBe(APP);
    expect(response.headers.get('vary')).toMatch(/Origin/i);
    expect(response.headers.get('access-control-expose-headers')).toMatch(/WWW-Authenticate/);
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    expect(await response.json()).toMatchObject({ error: 'invalid_grant' });
  });

  test.each([
    ELSEWHERE,
    'null',
    'http://app.example.com',
    `${APP}:8443`,
    'https://app.example.com.evil.example',
    'https://APP.example.com',
    `${APP}/`,
  ])('reads nothing from %s', async (origin) => {
    const response = await refresh(spa, origin);
    expect(allowed(response)).toBeNull();
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  });

  test('reads userinfo with its token from its origin only', async () => {
    const tokens = await spa.signIn({ scope: 'openid email' });
    const read = (origin: string) =>
      fetch(`${app.issuer}/userinfo`, {
        headers: { origin, authorization: `Bearer ${tokens.access_token}` },
      });
    const own = await read(APP);
    expect(allowed(own)).toBe(APP);
    expect(await own.json()).toMatchObject({ email: 'ada@example.com' });
    const other = await read(ELSEWHERE);
    expect(allowed(other)).toBeNull();
    expect(await other.text()).not.toContain('ada@example.com');
  });
});

test('security 14: a confidential client is called from no browser', async () => {
  const response = await refresh(web, APP);
  expect(allowed(response)).toBeNull();
  expect(await response.json()).toMatchObject({ error: 'invalid_request' });
});

test('security 14: a client with origins of its own is called from those and no others', async () => {
  expect(allowed(await refresh(open, 'https://console.example.com'))).toBe(
    'https://console.example.com',
  );
  expect(allowed(await refresh(open, APP))).toBeNull();
});

test('security 14: an unknown client is read by nobody', async () => {
  const response = await fetch(`${app.issuer}/token`, {
    method: 'POST',
    headers: { origin: APP },
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'unknown' }),
  });
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: 'invalid_client' });
});

test.each(['', 'authorize', 'device', 'logout', 'interaction/x', 'register'])(
  'no page is read from another origin: /%s',
  async (path) => {
    const response = await fetch(`${app.issuer}/${path}`, { headers: { origin: ELSEWHERE } });
    expect(allowed(response)).toBeNull();
  },
);

test('the documents are read from anywhere', async () => {
  for (const path of ['jwks', '.well-known/openid-configuration']) {
    expect(allowed(await fetch(`${app.issuer}/${path}`, { headers: { origin: ELSEWHERE } }))).toBe(
      '*',
    );
  }
});
