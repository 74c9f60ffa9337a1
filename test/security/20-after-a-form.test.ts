import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await app.createClient({ id: 'own', postLogoutRedirectUris: [CALLBACK] });
  await app.createClient({ id: 'foreign', firstParty: false });
  await app.createClient({ id: 'tv', kind: 'native' });
});
afterAll(() => app.stop());

type Form = { action: string; fields: Record<string, string> };

/** Opens a page in a new browser and gives what its forms would send. */
type Scene = (visitor: Visitor) => Promise<Form>;

const CREDENTIALS = { identifier: 'ada@example.com', password: PASSWORD };

function formOf(page: Page, suffix: string, fields: Record<string, string> = {}): Form {
  const hidden = [...page.html.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)];
  return {
    action: suffix.startsWith('http') ? suffix : `${page.url}${suffix}`,
    fields: { ...Object.fromEntries(hidden.map(([, n = '', v = '']) => [n, v])), ...fields },
  };
}

async function consentPage(visitor: Visitor): Promise<Page> {
  return visitor.signIn(authorizationUrl(app, 'foreign', { prompt: 'consent' }), CALLBACK);
}

const SCENES: [string, Scene][] = [
  [
    'a right password',
    async (v) => formOf(await v.open(authorizationUrl(app, 'own')), '/login', CREDENTIALS),
  ],
  [
    'a wrong password',
    async (v) =>
      formOf(await v.open(authorizationUrl(app, 'own')), '/login', {
        ...CREDENTIALS,
        password: 'wrong',
      }),
  ],
  [
    'no password',
    async (v) =>
      formOf(await v.open(authorizationUrl(app, 'own')), '/login', {
        identifier: 'ada@example.com',
      }),
  ],
  ['giving up', async (v) => formOf(await v.open(authorizationUrl(app, 'own')), '/abort')],
  ['agreeing', async (v) => formOf(await consentPage(v), '/consent')],
  ['not agreeing', async (v) => formOf(await consentPage(v), '/abort')],
  [
    'proving it again',
    async (v) => {
      await v.signIn(authorizationUrl(app, 'own'), CALLBACK);
      return formOf(
        await v.open(authorizationUrl(app, 'own', { prompt: 'login' })),
        '/password',
        CREDENTIALS,
      );
    },
  ],
  [
    'going on as somebody else',
    async (v) => {
      await v.signIn(authorizationUrl(app, 'own'), CALLBACK);
      return formOf(await v.open(authorizationUrl(app, 'own', { prompt: 'login' })), '/switch');
    },
  ],
  [
    'signing out',
    async (v) => {
      await v.signIn(authorizationUrl(app, 'own'), CALLBACK);
      const url = `${app.issuer}/logout?client_id=own&post_logout_redirect_uri=${encodeURIComponent(CALLBACK)}`;
      return formOf(await v.open(url), `${app.issuer}/logout/confirm`, { logout: 'yes' });
    },
  ],
  [
    'creating the first administrator',
    async (v) => {
      const { deps } = app.runtime;
      const link = await transaction(deps.db, (trx) =>
        createSetupLink(trx, deps, SYSTEM, app.issuer),
      );
      const fields = { email: 'root@example.com', name: 'Root', new_password: PASSWORD };
      return formOf(await v.open(link), '', fields);
    },
  ],
];

describe('security 20: what comes after a form', () => {
  test.each(SCENES)(
    'security 20: %s answers 303, so that no browser sends it again',
    async (_what, scene) => {
      const visitor = createVisitor();
      const { action, fields } = await scene(visitor);
      const response = await visitor.request(action, {
        method: 'POST',
        body: new URLSearchParams(fields),
      });
      expect(response.status).toBe(303);
      expect(response.headers.get('location')).not.toBeNull();
    },
  );

  test.each([
    ['success', {}, 'code'],
    ['an error', { prompt: 'none' }, 'error'],
    ['an error of the request', { scope: 'openid nonsense', response_type: 'nonsense' }, 'error'],
  ])('security 20: %s names the issuer (RFC 9207)', async (_what, params, carries) => {
    const back = await createVisitor()
      .signIn(authorizationUrl(app, 'own', params), CALLBACK)
      .catch(() => createVisitor().open(authorizationUrl(app, 'own', params), CALLBACK));
    const answer = new URL(back.url).searchParams;
    expect(answer.has(carries)).toBe(true);
    expect(answer.get('iss')).toBe(app.issuer);
  });
});

describe('security 19: a device code is approved by the person who is shown', () => {
  test('security 19: a form of one person’s page is refused once another is signed in', async () => {
    await app.createUser({ email: 'eve@example.com' });
    const started = await fetch(`${app.issuer}/device/authorize`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'tv', scope: 'openid' }),
    });
    const { user_code, device_code } = (await started.json()) as Record<string, string>;
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, 'own'), CALLBACK);
    const entry = await visitor.open(`${app.issuer}/device`);
    const confirm = await visitor.submit(entry, '/device', { user_code: String(user_code) });
    expect(confirm.html).toContain('ada@example.com');

    // In another tab somebody else signs in with the same browser.
    const login = await visitor.open(authorizationUrl(app, 'own', { prompt: 'login' }));
    const other = await visitor.submit(login, '/switch');
    const eve = { ...CREDENTIALS, identifier: 'eve@example.com' };
    await visitor.submit(other, '/login', eve, CALLBACK);

    const late = await visitor.request(`${app.issuer}/device`, {
      method: 'POST',
      body: new URLSearchParams({ ...formOf(confirm, '').fields, confirm: 'yes' }),
    });
    expect(late.status).toBe(400);
    const polled = await fetch(`${app.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: 'tv',
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: String(device_code),
      }),
    });
    expect(await polled.json()).toMatchObject({ error: 'authorization_pending' });
  });
});
