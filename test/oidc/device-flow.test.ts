import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const ADA = { identifier: 'ada@example.com', password: PASSWORD };

let app: TestApp;
let tv: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await app.createUser({ email: 'bob@example.com', profile: { name: 'Bob' } });
  tv = await createRelyingParty(app, { kind: 'native', name: 'Telly' });
});
afterAll(() => app.stop());

const begin = (party = tv, scope = 'openid email offline_access') =>
  oidc.initiateDeviceAuthorization(party.config, { scope });

const poll = (code: oidc.DeviceAuthorizationResponse, party = tv) =>
  oidc.genericGrantRequest(party.config, DEVICE_CODE, { device_code: code.device_code });

async function enter(visitor: Visitor, userCode: string): Promise<Page> {
  const page = await visitor.open(`${app.issuer}/device`);
  expect(pageName(page)).toBe('device');
  return visitor.submit(page, '/device', { user_code: userCode });
}

/** Enters the code, confirms it, and signs in where that is asked for. */
async function approve(visitor: Visitor, userCode: string): Promise<Page> {
  const asked = await enter(visitor, userCode);
  expect(pageName(asked)).toBe('device-confirm');
  const next = await visitor.submit(asked, '/device');
  return pageName(next) === 'login' ? visitor.submit(next, '/login', ADA) : next;
}

/** Lets time pass for the device codes there are. */
const expireCodes = () =>
  app.runtime.deps.db.raw(
    `UPDATE oidc_artifacts SET payload =
       jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch FROM now())::int - 1))::json
     WHERE model = 'DeviceCode'`,
  );

test('a device gets a code that is easy to type and a place to type it', async () => {
  const code = await begin();
  expect(code.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  expect(code).toMatchObject({
    verification_uri: `${app.issuer}/device`,
    verification_uri_complete: `${app.issuer}/device?user_code=${code.user_code}`,
    expires_in: app.config.ttl.deviceCode,
  });
});

test('a person enters the code, sees whose it is, signs in, and the device gets tokens', async () => {
  const code = await begin();
  const visitor = createVisitor();
  const asked = await enter(visitor, code.user_code);
  expect(pageName(asked)).toBe('device-confirm');
  expect(asked.html).toContain(code.user_code);
  expect(asked.html).toContain('Telly');
  const login = await visitor.submit(asked, '/device');
  expect(pageName(login)).toBe('login');
  const done = await visitor.submit(login, '/login', ADA);
  expect(pageName(done)).toBe('device-done');
  const tokens = await poll(code);
  expect(tokens.claims()).toMatchObject({ email: 'ada@example.com', aud: tv.client.id });
  const refreshed = await oidc.refreshTokenGrant(tv.config, String(tokens.refresh_token));
  expect(refreshed.claims()?.sub).toBe(tokens.claims()?.sub);
});

test('a person who is signed in has only to confirm', async () => {
  const visitor = createVisitor();
  await approve(visitor, (await begin()).user_code);
  const code = await begin();
  const asked = await enter(visitor, code.user_code);
  expect(asked.html).toContain('ada@example.com');
  expect(pageName(await visitor.submit(asked, '/device'))).toBe('device-done');
  await expect(poll(code)).resolves.toMatchObject({ token_type: 'bearer' });
});

test('the link with the code in it leads to the same question', async () => {
  const code = await begin();
  const visitor = createVisitor();
  const filled = await visitor.open(String(code.verification_uri_complete));
  const asked = await visitor.submit(filled, '/device');
  expect(pageName(asked)).toBe('device-confirm');
  expect(await errorOf(poll(code))).toBe('authorization_pending');
});

test.each([
  ['lower case', (code: string) => code.toLowerCase()],
  ['no dash', (code: string) => code.replace('-', '')],
  ['spaces', (code: string) => ` ${code.replace('-', ' ')} `],
])('a code may be typed with %s', async (_, typed) => {
  const code = await begin();
  expect(pageName(await enter(createVisitor(), typed(code.user_code)))).toBe('device-confirm');
});

describe('a code that is not right', () => {
  test.each([
    ['wrong', 'BCDF-GHJK', /not right/],
    ['nonsense', '\u0000<script>', /not right/],
    ['missing', '', /Enter the code/],
  ])('%s', async (_, typed, words) => {
    const page = await enter(createVisitor(), typed);
    expect(pageName(page)).toBe('device');
    expect(alertText(page)).toMatch(words);
  });

  test('expired, for the person and for the device', async () => {
    const code = await begin();
    await expireCodes();
    expect(alertText(await enter(createVisitor(), code.user_code))).toMatch(/expired/);
    expect(await errorOf(poll(code))).toBe('expired_token');
  });

  test('used: approved once, nobody approves it again', async () => {
    const code = await begin();
    expect(pageName(await approve(createVisitor(), code.user_code))).toBe('device-done');
    expect(alertText(await enter(createVisitor(), code.user_code))).toMatch(/used already/);
    await poll(code);
    expect(alertText(await enter(createVisitor(), code.user_code))).toMatch(/used already/);
  });

  test('confirmed by one person while another has the question open', async () => {
    const code = await begin();
    const [first, second] = [createVisitor(), createVisitor()];
    const open = await enter(second, code.user_code);
    expect(pageName(await approve(first, code.user_code))).toBe('device-done');
    expect(alertText(await second.submit(open, '/device'))).toMatch(/used already/);
    expect((await poll(code)).claims()?.email).toBe('ada@example.com');
  });
});

test('a person who says no is believed, at once and for good', async () => {
  const code = await begin();
  const visitor = createVisitor();
  const asked = await enter(visitor, code.user_code);
  const page = await visitor.submit(asked, '/device', { confirm: '', abort: 'yes' });
  expect(alertText(page)).toMatch(/was not connected/);
  expect(await errorOf(poll(code))).toBe('access_denied');
  expect(alertText(await enter(createVisitor(), code.user_code))).toMatch(/used already/);
});

test('a person who gives up signing in has said no', async () => {
  const code = await begin();
  const visitor = createVisitor();
  const asked = await enter(visitor, code.user_code);
  const login = await visitor.submit(asked, '/device');
  expect(alertText(await visitor.submit(login, '/abort'))).toMatch(/was not connected/);
  expect(await errorOf(poll(code))).toBe('access_denied');
});

test('a third-party app is agreed to on a page of its own', async () => {
  const third = await createRelyingParty(app, { kind: 'native', firstParty: false });
  const code = await begin(third, 'openid email');
  const visitor = createVisitor();
  const consent = await approve(visitor, code.user_code);
  expect(pageName(consent)).toBe('consent');
  expect(consent.html).not.toContain('Where you go next');
  expect(await errorOf(poll(code, third))).toBe('authorization_pending');
  expect(pageName(await visitor.submit(consent, '/consent'))).toBe('device-done');
  expect((await poll(code, third)).claims()?.email).toBe('ada@example.com');
});

test('the question is not answered by a form of another site', async () => {
  const code = await begin();
  const visitor = createVisitor();
  await enter(visitor, code.user_code);
  const page = await visitor.open(`${app.issuer}/device`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ user_code: code.user_code, confirm: 'yes', xsrf: 'guessed' }),
  });
  expect(pageName(page)).toBe('device');
  expect(page.status).toBe(400);
  expect(await errorOf(poll(code))).toBe('authorization_pending');
});

test('the question is not answered for another person than the one it names', async () => {
  const code = await begin();
  const visitor = createVisitor();
  await approve(visitor, (await begin()).user_code);
  const asked = await enter(visitor, code.user_code);
  expect(asked.html).toContain('ada@example.com');
  const party = await createRelyingParty(app);
  const again = await party.authorize({ prompt: 'login' });
  const password = await visitor.open(again.url);
  const other = await visitor.submit(password, '/switch');
  const bob = { identifier: 'bob@example.com', password: PASSWORD };
  await visitor.submit(other, '/login', bob, 'http://127.0.0.1:9/');
  expect(pageName(await visitor.submit(asked, '/device'))).toBe('device');
  expect(await errorOf(poll(code))).toBe('authorization_pending');
});

describe('polling', () => {
  test('is told to wait, and to slow down when it does not', async () => {
    const code = await begin();
    // The wait, made an hour long and then none, so that no machine is too slow for it.
    const setWait = (from: string) =>
      app.runtime.deps
        .db('oidc_artifacts')
        .where({ model: 'DevicePoll' })
        .update({ expires_at: app.runtime.deps.db.raw('now() + ?::interval', [from]) });
    expect(await errorOf(poll(code))).toBe('authorization_pending');
    expect(await setWait('1 hour')).toBeGreaterThan(0);
    expect(await errorOf(poll(code))).toBe('slow_down');
    expect(await errorOf(poll(await begin()))).toBe('authorization_pending');
    await setWait('-1 second');
    expect(await errorOf(poll(code))).toBe('authorization_pending');
  });

  test('is not held up by haste once the person has agreed', async () => {
    const code = await begin();
    expect(await errorOf(poll(code))).toBe('authorization_pending');
    await approve(createVisitor(), code.user_code);
    await expect(poll(code)).resolves.toMatchObject({ token_type: 'bearer' });
  });

  test('gives tokens once; a second time ends them', async () => {
    const code = await begin();
    await approve(createVisitor(), code.user_code);
    const tokens = await poll(code);
    expect(await errorOf(poll(code))).toBe('invalid_grant');
    const refresh = oidc.refreshTokenGrant(tv.config, String(tokens.refresh_token));
    expect(await errorOf(refresh)).toBe('invalid_grant');
  });

  test('is for the client that began', async () => {
    const other = await createRelyingParty(app, { kind: 'native' });
    const code = await begin();
    await approve(createVisitor(), code.user_code);
    expect(await errorOf(poll(code, other))).toBe('invalid_grant');
    await expect(poll(code)).resolves.toMatchObject({ token_type: 'bearer' });
  });
});

test('codes can not be guessed: wrong ones slow their address down, right ones don’t', async () => {
  const guesser = createVisitor();
  let page = await guesser.open(`${app.issuer}/device`);
  const guess = (user_code: string) => guesser.submit(page, '/device', { user_code, confirm: '' });
  let wrong = 0;
  while (page.status !== 429 && wrong < 60) {
    page = await guess(`WRNG-BCD${'BCDFGHJKLM'[wrong % 10]}`);
    wrong += 1;
  }
  expect(page.status).toBe(429);
  expect(pageName(page)).toBe('error');
  expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(wrong).toBeGreaterThan(40);
  await app.runtime.deps.db('throttles').delete();
  const code = await begin();
  page = await guesser.open(`${app.issuer}/device`);
  for (let right = 0; right < 55; right += 1) {
    page = await guess(code.user_code);
    expect(pageName(page)).toBe('device-confirm');
  }
});

test('a client without the grant can not begin', async () => {
  const web = await createRelyingParty(app);
  expect(await errorOf(begin(web))).toBe('invalid_request');
});
