import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let urlOf: (path: string) => string;

beforeAll(async () => {
  app = await startApp();
  urlOf = (path) => `${app.issuer}${path}`;
  await app.createUser();
});
afterAll(() => app.stop());

async function signedIn(identifier = 'ada@example.com'): Promise<{ visitor: Visitor; page: Page }> {
  const visitor = createVisitor();
  const login = await visitor.open(urlOf('/account'));
  const page = await visitor.submit(login, '/login', {
    identifier,
    password: 'violet-kettle-orbits-42',
  });
  return { visitor, page };
}

const signedOut = (page: Page) => expect(pageName(page)).toBe('login');

test('the home page leads to the account', async () => {
  const home = await createVisitor().open(urlOf('/'));
  expect(home.html).toContain(`href="${app.issuer}/account"`);
});

describe('the frame', () => {
  test('says who is signed in and where one is', async () => {
    const { page } = await signedIn();
    expect(page.url).toBe(urlOf('/account'));
    expect(page.html).toContain('<bdi>ada@example.com</bdi>');
    expect(page.html).toMatch(/<a href="\/account" aria-current="page">Profile/);
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  test('is in the language of the person, not of the browser', async () => {
    await app.createUser({ email: 'lena@example.com', profile: { locale: 'de' } });
    const { page } = await signedIn('lena@example.com');
    expect(page.html).toContain('<html lang="de"');
  });

  test('is also around a page that does not exist', async () => {
    const { visitor } = await signedIn();
    for (const path of ['/account/nowhere', '/account/email/code/again']) {
      const missing = await visitor.open(urlOf(path));
      expect([missing.status, pageName(missing)]).toEqual([404, 'error']);
      expect(missing.html).toContain('/account/sign-out');
    }
    const stranger = await createVisitor().open(urlOf('/account/nowhere'));
    expect([stranger.status, pageName(stranger)]).toEqual([404, 'error']);
    expect(stranger.html).not.toContain('/account/sign-out');
  });

  test.each(['nonsense', 'constructor', '__proto__.x', '<script>'])(
    'says nothing of %s being done',
    async (done) => {
      const { visitor } = await signedIn();
      const page = await visitor.open(urlOf(`/account?done=${encodeURIComponent(done)}`));
      expect(page.status).toBe(200);
      expect(page.html).not.toContain('role="status"');
    },
  );
});

describe('signing out', () => {
  test('ends the session here and nowhere else, however often the form is sent', async () => {
    const [here, elsewhere] = await Promise.all([signedIn(), signedIn()]);
    const before = await here.visitor.jar.serialize();
    const out = await here.visitor.submit(here.page, '/sign-out');
    expect(pageName(out)).toBe('signed-out');
    signedOut(await here.visitor.open(urlOf('/account')));
    const again = await here.visitor.submit(here.page, '/sign-out');
    expect([again.status, pageName(again)]).toEqual([200, 'signed-out']);
    expect((await elsewhere.visitor.open(urlOf('/account'))).url).toBe(urlOf('/account'));
    // The cookie alone, kept by somebody, opens nothing.
    const kept = createVisitor();
    for (const cookie of before?.cookies ?? []) {
      await kept.jar.setCookie(`${cookie.key}=${cookie.value}; Path=/`, app.issuer);
    }
    signedOut(await kept.open(urlOf('/account')));
  });

  test('needs the form of the same session', async () => {
    const { visitor, page } = await signedIn();
    const { action } = findForm(page, '/sign-out');
    for (const csrf of ['', 'forged']) {
      const body = new URLSearchParams({ csrf });
      const refused = await visitor.request(action, { method: 'POST', body });
      expect(refused.status).toBe(403);
    }
    expect(pageName(await visitor.open(urlOf('/account')))).toBe('account');
  });

  test('is recorded once', async () => {
    await app.createUser({ email: 'once@example.com' });
    const { visitor, page } = await signedIn('once@example.com');
    await Promise.all(Array.from({ length: 10 }, () => visitor.submit(page, '/sign-out')));
    const { db } = app.runtime.deps;
    const [user] = await db('users').where({ email: 'once@example.com' });
    const ended = await db('audit_events').where({ user_id: user.id, type: 'session.ended' });
    expect(ended).toHaveLength(1);
  });
});

test('security 7: a suspended person is out of the account pages at once', async () => {
  const user = await app.createUser({ email: 'sue@example.com' });
  const { visitor, page } = await signedIn('sue@example.com');
  expect(pageName(page)).toBe('account');
  await transaction(app.runtime.deps.db, (trx) => suspendUser(trx, SYSTEM, user));
  signedOut(await visitor.open(urlOf('/account')));
});
