import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { expireInteraction } from './live-browser.ts';

const CREDENTIALS = { identifier: 'ada@example.com', password: PASSWORD };
const HOME = 'https://notes.example/home';

let app: TestApp;
let plain: string;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  plain = (await app.createClient()).client.id;
});
afterAll(() => app.stop());

async function openLogin(visitor: Visitor, clientId = plain): Promise<Page> {
  const page = await visitor.open(authorizationUrl(app, clientId));
  expect(pageName(page)).toBe('login');
  return page;
}

function uidOf(page: Page): string {
  return new URL(page.url).pathname.split('/')[2] ?? '';
}

describe('a sign-in page that was left open too long', () => {
  test('starts again for the same app when it is looked at', async () => {
    const visitor = createVisitor();
    const page = await openLogin(visitor);
    await expireInteraction(app, page.url);
    const again = await visitor.open(page.url);
    expect(pageName(again)).toBe('login');
    expect(uidOf(again)).not.toBe(uidOf(page));
    const back = await visitor.submit(again, '/login', CREDENTIALS, CALLBACK);
    expect(back.url).toContain('state=some-state');
  });

  test('starts again when it is sent, and what was typed proves nothing yet', async () => {
    const visitor = createVisitor();
    const page = await openLogin(visitor);
    await expireInteraction(app, page.url);
    const again = await visitor.submit(page, '/login', CREDENTIALS, CALLBACK);
    expect(pageName(again)).toBe('login');
  });

  test('leads to where the app starts sign-ins, if it said where', async () => {
    const { client } = await app.createClient({
      metadata: { initiate_login_uri: 'https://notes.example/start' },
    });
    const visitor = createVisitor();
    const page = await openLogin(visitor, client.id);
    await expireInteraction(app, page.url);
    const back = await visitor.open(page.url, 'https://notes.example/');
    expect(back.url).toBe(`https://notes.example/start?iss=${encodeURIComponent(app.issuer)}`);
  });

  test('says so when nothing is known of it any more', async () => {
    const page = await createVisitor().open(`${app.issuer}/interaction/never-heard-of`);
    expect(page.status).toBe(400);
    expect(pageName(page)).toBe('error');
    expect(alertText(page)).toContain('Start again');
  });
});

describe('a sign-in that is finished', () => {
  test('goes on to the app when its form is sent once more', async () => {
    const visitor = createVisitor();
    const page = await openLogin(visitor);
    await visitor.submit(page, '/login', CREDENTIALS, CALLBACK);
    const back = await visitor.submit(page, '/login', CREDENTIALS, CALLBACK);
    expect(back.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test('goes on to the app when the person presses Back', async () => {
    const visitor = createVisitor();
    const page = await openLogin(visitor);
    await visitor.submit(page, '/login', CREDENTIALS, CALLBACK);
    const back = await visitor.open(page.url, CALLBACK);
    expect(back.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test('leads to the app’s own page, rather than answering an answered request', async () => {
    const { client } = await app.createClient({ metadata: { client_uri: HOME } });
    const visitor = createVisitor();
    const page = await openLogin(visitor, client.id);
    await visitor.submit(page, '/login', CREDENTIALS, CALLBACK);
    expect((await visitor.open(page.url, HOME)).url).toBe(HOME);
  });

  test('leads back to a consent that is still due', async () => {
    const { client } = await app.createClient({
      firstParty: false,
      metadata: { client_uri: HOME },
    });
    const visitor = createVisitor();
    const login = await openLogin(visitor, client.id);
    const consent = await visitor.submit(login, '/login', CREDENTIALS, CALLBACK);
    expect(pageName(consent)).toBe('consent');
    expect(pageName(await visitor.open(login.url, CALLBACK))).toBe('consent');
    expect(pageName(await visitor.submit(login, '/login', CREDENTIALS, CALLBACK))).toBe('consent');
  });

  test('goes on after the redirect that ends it was followed twice', async () => {
    const visitor = createVisitor();
    const page = await openLogin(visitor);
    const back = await visitor.submit(page, '/login', CREDENTIALS, `${app.issuer}/authorize/`);
    for (let time = 0; time < 2; time += 1) {
      const { url } = await visitor.open(back.url, CALLBACK);
      expect(url.startsWith(`${CALLBACK}?code=`)).toBe(true);
    }
  });
});

describe('a page whose session ended in another tab', () => {
  test('consent starts again with the person signing in', async () => {
    const { client } = await app.createClient({ firstParty: false });
    const visitor = createVisitor();
    const consent = await visitor.signIn(authorizationUrl(app, client.id), CALLBACK);
    expect(pageName(consent)).toBe('consent');
    const logout = await visitor.open(`${app.issuer}/logout`);
    await visitor.submit(logout, '/logout/confirm', { logout: 'yes' });
    const again = await visitor.submit(consent, '/consent', {}, CALLBACK);
    expect(pageName(again)).toBe('login');
  });

  test('a password page starts again as a sign-in page', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, plain), CALLBACK);
    const page = await visitor.open(authorizationUrl(app, plain, { prompt: 'login' }), CALLBACK);
    expect(pageName(page)).toBe('password');
    const logout = await visitor.open(`${app.issuer}/logout`);
    await visitor.submit(logout, '/logout/confirm', { logout: 'yes' });
    const again = await visitor.submit(page, '/password', { password: PASSWORD }, CALLBACK);
    expect(pageName(again)).toBe('login');
  });
});

test('the address of a form shows its page', async () => {
  const visitor = createVisitor();
  const page = await openLogin(visitor);
  const reloaded = await visitor.open(`${page.url}/login`);
  expect(pageName(reloaded)).toBe('login');
});

test('two sign-ins in one browser each end in their own app', async () => {
  const other = 'http://127.0.0.1:9/other';
  const { client } = await app.createClient({ redirectUris: [other] });
  const visitor = createVisitor();
  const one = await openLogin(visitor);
  const two = await visitor.open(
    authorizationUrl(app, client.id, { redirect_uri: other, state: 'two' }),
  );
  const atTwo = await visitor.submit(two, '/login', CREDENTIALS, other);
  expect(atTwo.url).toMatch(/other\?code=.*state=two/);
  const atOne = await visitor.submit(one, '/login', CREDENTIALS, CALLBACK);
  expect(atOne.url).toMatch(/callback\?code=.*state=some-state/);
});
