import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let own: Client;
let foreign: Client;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await app.createUser({ email: 'eve@example.com', profile: { name: 'Eve' } });
  ({ client: own } = await app.createClient());
  ({ client: foreign } = await app.createClient({ firstParty: false }));
});
afterAll(() => app.stop());

const STEPS = ['login', 'password', 'switch', 'consent', 'abort'];

function csrfOf(page: Page): string {
  return /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
}

async function post(
  visitor: Visitor,
  page: Page,
  step: string,
  fields: Record<string, string> = {},
): Promise<Response> {
  return visitor.request(`${page.url}/${step}`, {
    method: 'POST',
    body: new URLSearchParams({ csrf: csrfOf(page), ...fields }),
  });
}

describe('security 1: no step is skipped and no code issued', () => {
  test.each(['consent', 'password', 'login', 'switch'])(
    'security 1: an empty %s form before anybody is proven leads back to signing in',
    async (step) => {
      const visitor = createVisitor();
      const page = await visitor.open(authorizationUrl(app, foreign.id));
      const response = await post(visitor, page, step);
      expect(response.status).toBe(303);
      expect(new URL(response.headers.get('location') ?? '', page.url).href).toBe(page.url);
      expect(pageName(await visitor.open(page.url, CALLBACK))).toBe('login');
    },
  );

  test('security 1: agreeing twice over before signing in yields nothing', async () => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, foreign.id));
    await post(visitor, page, 'consent');
    await post(visitor, page, 'consent');
    const resumed = await visitor.open(page.url.replace('/interaction/', '/authorize/'), CALLBACK);
    expect(resumed.url).not.toContain('code=');
    expect(pageName(resumed)).toBe('login');
  });

  test('security 1: signed in but not agreed, an app of somebody else gets no code', async () => {
    const visitor = createVisitor();
    const login = await visitor.open(authorizationUrl(app, foreign.id));
    const consent = await visitor.submit(
      login,
      '/login',
      { identifier: 'ada@example.com', password: PASSWORD },
      CALLBACK,
    );
    expect(pageName(consent)).toBe('consent');
    for (const step of ['login', 'password']) {
      const response = await post(visitor, consent, step, {
        identifier: 'ada@example.com',
        password: PASSWORD,
      });
      expect(response.headers.get('location')).not.toContain('code=');
    }
    const resumed = await visitor.open(
      consent.url.replace('/interaction/', '/authorize/'),
      CALLBACK,
    );
    expect(resumed.url).not.toContain('code=');
    expect(pageName(resumed)).toBe('consent');
  });

  test('security 1: the page after a finished sign-in can’t be asked for again with a new result', async () => {
    const visitor = createVisitor();
    const login = await visitor.open(authorizationUrl(app, own.id));
    const back = await visitor.submit(
      login,
      '/login',
      { identifier: 'ada@example.com', password: PASSWORD },
      CALLBACK,
    );
    expect(back.url).toContain('code=');
    // The same form with another person's password: the attempt is over.
    const again = await post(visitor, login, 'login', {
      identifier: 'eve@example.com',
      password: PASSWORD,
    });
    expect(again.status).toBe(303);
    expect(again.headers.get('location')).not.toContain('code=');
  });

  test('security 1: two people’s proofs never add up in one attempt', async () => {
    const visitor = createVisitor();
    const login = await visitor.open(authorizationUrl(app, own.id));
    const first = await post(visitor, login, 'login', {
      identifier: 'eve@example.com',
      password: 'wrong',
    });
    expect(first.status).toBe(303);
    const back = await visitor.submit(
      await visitor.open(login.url),
      '/login',
      { identifier: 'ada@example.com', password: PASSWORD },
      CALLBACK,
    );
    expect(back.url).toContain('code=');
    const attempts = await app.runtime.deps.db('login_attempts').select('proofs');
    for (const { proofs } of attempts) {
      expect(new Set((proofs as { userId: string }[]).map((p) => p.userId)).size).toBeLessThan(2);
    }
  });
});

describe('security 2: a flow belongs to the browser that began it', () => {
  test('security 2: its page is refused in another browser, without a way around', async () => {
    const page = await createVisitor().open(authorizationUrl(app, own.id));
    const other = createVisitor();
    const seen = await other.open(page.url, CALLBACK);
    expect(seen.status).toBe(400);
    expect(pageName(seen)).toBe('error');
    expect(seen.html).not.toContain('csrf');
  });

  test.each(STEPS)('security 2: its %s form is refused from another browser', async (step) => {
    const page = await createVisitor().open(authorizationUrl(app, own.id));
    const other = createVisitor();
    await other.open(authorizationUrl(app, own.id));
    const response = await post(other, page, step, {
      identifier: 'ada@example.com',
      password: PASSWORD,
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
  });

  test('security 2: a flow that one browser finished is not resumed by another', async () => {
    const starter = createVisitor();
    const page = await starter.open(authorizationUrl(app, own.id));
    const done = await post(starter, page, 'login', {
      identifier: 'ada@example.com',
      password: PASSWORD,
    });
    const resume = new URL(done.headers.get('location') ?? '', page.url).href;
    const thief = await createVisitor().open(resume, CALLBACK);
    expect(thief.url).not.toContain('code=');
    // The browser that began it goes on.
    expect((await starter.open(resume, CALLBACK)).url).toContain('code=');
  });

  test('security 2: cookies of one flow don’t open another of the same browser', async () => {
    const visitor = createVisitor();
    const one = await visitor.open(authorizationUrl(app, own.id));
    const two = await visitor.open(authorizationUrl(app, own.id));
    const cookie = await visitor.jar.getCookieString(two.url);
    const response = await fetch(one.url, {
      headers: { cookie, accept: 'text/html' },
      redirect: 'manual',
    });
    expect(response.status).toBe(400);
  });

  test('security 2: signing in makes a new session id', async () => {
    const visitor = createVisitor();
    await visitor.open(`${app.issuer}/device`);
    const before = await sessionCookie(visitor);
    expect(before).toBeDefined();
    await visitor.signIn(authorizationUrl(app, own.id), CALLBACK);
    const after = await sessionCookie(visitor);
    expect(after).not.toBe(before);
  });
});

describe('security 8: cookies that were changed are refused', () => {
  test('security 8: no flip of any character of a cookie or its signature is taken', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, own.id), CALLBACK);
    const url = authorizationUrl(app, own.id, { prompt: 'none' });
    const cookies = Object.fromEntries(
      (await visitor.jar.getCookies(url)).map((c) => [c.key, c.value]),
    );
    const works = await answer(url, cookies);
    expect(works).toContain('code=');
    const session = Object.keys(cookies).filter((name) => name.startsWith('plinto_session'));
    expect(session).toHaveLength(2);
    for (const name of session) {
      const value = cookies[name] as string;
      for (let i = 0; i < value.length; i += 1) {
        const changed = value.slice(0, i) + (value[i] === 'x' ? 'y' : 'x') + value.slice(i + 1);
        expect(await answer(url, { ...cookies, [name]: changed }), `${name} at ${i}`).toContain(
          'error=login_required',
        );
      }
    }
  });

  test('security 8: a session without its signature is refused', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, own.id), CALLBACK);
    const url = authorizationUrl(app, own.id, { prompt: 'none' });
    const value = await sessionCookie(visitor);
    expect(await answer(url, { plinto_session: String(value) })).toContain('error=login_required');
  });

  test('security 8: cookies are out of reach of scripts and of other sites', async () => {
    const visitor = createVisitor();
    const started = await visitor.request(authorizationUrl(app, own.id));
    const set = started.headers.getSetCookie();
    expect(set.length).toBeGreaterThan(1);
    for (const cookie of set) {
      expect(cookie).toMatch(/; httponly/i);
      expect(cookie).toMatch(/; samesite=lax/i);
      expect(cookie).not.toMatch(/; domain=/i);
    }
  });
});

async function answer(url: string, cookies: Record<string, string>): Promise<string> {
  const cookie = Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
  const response = await fetch(url, { headers: { cookie }, redirect: 'manual' });
  return response.headers.get('location') ?? `${response.status}`;
}

async function sessionCookie(visitor: Visitor): Promise<string | undefined> {
  const cookies = await visitor.jar.getCookies(app.issuer);
  return cookies.find(({ key }) => key === 'plinto_session')?.value;
}
