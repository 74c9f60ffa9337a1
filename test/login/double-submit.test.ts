import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, postAs } from '../support/authorization.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

const TIMES = 10;
const CREDENTIALS = { identifier: 'ada@example.com', password: PASSWORD };

let app: TestApp;
let firstParty: string;
let thirdParty: string;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  firstParty = (await app.createClient()).client.id;
  thirdParty = (await app.createClient({ firstParty: false })).client.id;
});
afterAll(() => app.stop());

/** The same form, sent ten times at once; redirects aren't followed. */
async function sendAtOnce(
  visitor: Visitor,
  page: Page,
  form: string,
  fields: Record<string, string> = {},
): Promise<{ status: number; location: string }[]> {
  const { action, hidden } = findForm(page, form);
  const send = async () => {
    const body = new URLSearchParams({ ...hidden, ...fields });
    const response = await visitor.request(action, { method: 'POST', body });
    return { status: response.status, location: response.headers.get('location') ?? '' };
  };
  return Promise.all(Array.from({ length: TIMES }, send));
}

/** How many events of a type the audit log has for a client. */
async function countEvents(type: string, client_id: string): Promise<number> {
  return (await app.runtime.deps.db('audit_events').where({ type, client_id })).length;
}

function onlyOne<T>(values: T[]): T {
  expect([...new Set(values.map((v) => JSON.stringify(v)))]).toEqual([JSON.stringify(values[0])]);
  return values[0] as T;
}

describe('security 34: a form sent ten times at once', () => {
  test('signs in once and leads to one place', async () => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, firstParty));
    const { status, location } = onlyOne(await sendAtOnce(visitor, page, '/login', CREDENTIALS));
    expect(status).toBe(303);
    expect(await countEvents('sign_in.succeeded', firstParty)).toBe(1);
    // A browser follows the last answer; the others lead to the same app all the same.
    for (let time = 0; time < 3; time += 1) {
      const back = await visitor.open(location, CALLBACK);
      expect(back.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
      expect(back.url).toContain('state=some-state');
    }
    const sessions = await app.runtime.deps.db('oidc_sessions').whereNotNull('account_id');
    expect(sessions).toHaveLength(1);
  });

  test('counts no failure against a person who typed the right password', async () => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, firstParty));
    await sendAtOnce(visitor, page, '/login', CREDENTIALS);
    const counts = await app.runtime.deps.db('throttles').where('failures', '>', 0);
    expect(counts).toEqual([]);
  });

  test('shows one error for one wrong password', async () => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, firstParty));
    const wrong = { ...CREDENTIALS, identifier: 'nobody@example.com' };
    const { status, location } = onlyOne(await sendAtOnce(visitor, page, '/login', wrong));
    expect(status).toBe(303);
    expect(pageName(await visitor.open(new URL(location, app.issuer).href))).toBe('login');
  });

  test.each([
    ['/consent', 'consent.granted', `${CALLBACK}?code=`],
    ['/abort', 'consent.denied', `${CALLBACK}?error=access_denied`],
  ])('consent: %s is recorded once', async (form, event, answer) => {
    const visitor = createVisitor();
    const consent = await visitor.signIn(
      authorizationUrl(app, thirdParty, { prompt: 'consent' }),
      CALLBACK,
    );
    expect(pageName(consent)).toBe('consent');
    const grants = async () =>
      (await app.runtime.deps.db('oidc_grants').where({ client_id: thirdParty })).length;
    const before = { events: await countEvents(event, thirdParty), grants: await grants() };
    const { status, location } = onlyOne(await sendAtOnce(visitor, consent, form));
    expect(status).toBe(303);
    expect((await countEvents(event, thirdParty)) - before.events).toBe(1);
    expect(await grants()).toBe(before.grants + (form === '/consent' ? 1 : 0));
    const back = await visitor.open(location, CALLBACK);
    expect(back.url.startsWith(answer)).toBe(true);
  });

  test('gives up once', async () => {
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, firstParty));
    const { location } = onlyOne(await sendAtOnce(visitor, page, '/abort'));
    expect(await countEvents('sign_in.aborted', firstParty)).toBe(1);
    const back = await visitor.open(location, CALLBACK);
    expect(back.url).toContain('error=access_denied');
  });

  test('signs out once and leads to one place', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, firstParty), CALLBACK);
    const page = await visitor.open(`${app.issuer}/logout`);
    expect(pageName(page)).toBe('logout');
    const ended = async () =>
      (await app.runtime.deps.db('audit_events').where({ type: 'session.ended' })).length;
    const before = await ended();
    const answers = await sendAtOnce(visitor, page, '/logout/confirm', { logout: 'yes' });
    expect((await ended()) - before).toBe(1);
    expect(onlyOne(answers)).toEqual({ status: 303, location: `${app.issuer}/logout/success` });
    const again = await visitor.open(authorizationUrl(app, firstParty), CALLBACK);
    expect(pageName(again)).toBe('login');
  });

  test('goes on as somebody else once', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, firstParty), CALLBACK);
    const page = await visitor.open(authorizationUrl(app, firstParty, { prompt: 'login' }));
    expect(pageName(page)).toBe('password');
    const { status, location } = onlyOne(await sendAtOnce(visitor, page, '/switch'));
    expect(status).toBe(303);
    expect(pageName(await visitor.open(new URL(location, app.issuer).href))).toBe('login');
  });

  test('takes a browser over from somebody else once', async () => {
    const bob = await app.createUser({ email: 'bob@example.com' });
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, firstParty), CALLBACK);
    const page = await visitor.open(authorizationUrl(app, firstParty, { prompt: 'login' }));
    const login = await visitor.submit(page, '/switch');
    const fields = { ...CREDENTIALS, identifier: 'bob@example.com' };
    const { status, location } = onlyOne(await sendAtOnce(visitor, login, '/login', fields));
    expect(status).toBe(303);
    expect(await countEvents('session.ended', firstParty)).toBe(1);
    const back = await visitor.open(location, CALLBACK);
    expect(back.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
    const { db } = app.runtime.deps;
    expect(await db('oidc_sessions').where({ account_id: bob.id })).toHaveLength(1);
  });

  test('connects a device once', async () => {
    const credentials = await app.createClient({ kind: 'native', firstParty: false });
    const started = await postAs(`${app.issuer}/device/authorize`, credentials, {
      scope: 'openid',
    });
    const { device_code, user_code } = (await started.json()) as Record<string, string>;
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, firstParty), CALLBACK);
    const entry = await visitor.open(`${app.issuer}/device`);
    const confirm = await visitor.submit(entry, '/device', { user_code: user_code ?? '' });
    expect(pageName(confirm)).toBe('device-confirm');
    const answers = await sendAtOnce(visitor, confirm, '/device');
    const consents = answers.filter(({ location }) => location.includes('/interaction/'));
    expect(answers.filter(({ status }) => status >= 500)).toEqual([]);

    const consent = await visitor.open(new URL(consents.at(-1)?.location ?? '', app.issuer).href);
    expect(pageName(await visitor.submit(consent, '/consent'))).toBe('device-done');
    expect(pageName(await visitor.submit(confirm, '/device'))).toBe('device-done');
    const tokens = await postAs(`${app.issuer}/token`, credentials, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: device_code ?? '',
    });
    expect(tokens.status).toBe(200);
  });
});
