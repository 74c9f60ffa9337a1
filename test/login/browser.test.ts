import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, postAs } from '../support/authorization.ts';
import { launchBrowser } from '../support/browser.ts';
import {
  type AppServer,
  expireInteraction,
  type LiveBrowser,
  openBrowser,
  pageNameOf,
  serveApp,
  signIn,
  waitForAnswer,
} from './live-browser.ts';

let app: TestApp;
let browser: Browser;
let live: LiveBrowser;
let relyingParty: AppServer;
let callback: string;
let otherCallback: string;
let firstParty: string;
let otherApp: string;
let thirdParty: string;

beforeAll(async () => {
  [app, browser, relyingParty] = await Promise.all([startApp(), launchBrowser(), serveApp()]);
  callback = `${relyingParty.origin}/callback`;
  otherCallback = `${relyingParty.origin}/other`;
  await app.createUser();
  await app.createUser({ email: 'bob@example.com' });
  const sam = await app.createUser({ email: 'sam@example.com' });
  await transaction(app.runtime.deps.db, (trx) => suspendUser(trx, SYSTEM, sam));
  firstParty = (await app.createClient({ redirectUris: [callback] })).client.id;
  otherApp = (await app.createClient({ redirectUris: [otherCallback] })).client.id;
  thirdParty = (
    await app.createClient({ firstParty: false, name: 'Notes', redirectUris: [callback] })
  ).client.id;
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await relyingParty?.close();
});
beforeEach(async () => {
  await live?.context.close();
  live = await openBrowser(browser);
});

const start = (params: Record<string, string | undefined> = {}, clientId = firstParty) =>
  authorizationUrl(app, clientId, { redirect_uri: callback, ...params });

async function countSignIns(): Promise<number> {
  const events = app.runtime.deps.db('audit_events').where({ type: 'sign_in.succeeded' });
  return (await events).length;
}

describe('with a mouse', { timeout: 60_000 }, () => {
  test('a person signs in and is back at the app', async () => {
    const { page, complaints } = live;
    await page.goto(start());
    expect(await pageNameOf(page)).toBe('login');
    await signIn(page);
    const back = await waitForAnswer(page, callback);
    expect(back.get('code')).toMatch(/^[\w-]{20,}$/);
    expect(back.get('state')).toBe('some-state');
    // Signed in, the next app doesn't ask.
    await page.goto(start({ redirect_uri: otherCallback }, otherApp));
    await waitForAnswer(page, otherCallback);
    expect(complaints).toEqual([]);
  });

  test.each([
    ['a wrong password', 'ada@example.com', 'not-the-password-at-all'],
    ['an unknown address', 'nobody@example.com', PASSWORD],
    ['a suspended person', 'sam@example.com', PASSWORD],
  ])('%s is refused in the same words', async (_, identifier, password) => {
    const { page, complaints } = live;
    await page.goto(start());
    await signIn(page, identifier, password);
    await page.getByRole('alert').waitFor();
    expect((await page.getByRole('alert').textContent())?.trim()).toBe(
      'Wrong email, username or password. Check them and try again.',
    );
    expect(await page.locator('[name=identifier]').inputValue()).toBe(identifier);
    expect(await page.locator('[name=password]').inputValue()).toBe('');
    await page.locator('[name=password]:focus').waitFor();
    await signIn(page);
    await waitForAnswer(page, callback);
    expect(complaints).toEqual([]);
  });

  test('Back after a sign-in leads to the app again, not to a dead form', async () => {
    const { page } = live;
    await page.goto(start());
    await signIn(page);
    await waitForAnswer(page, callback);
    await page.goBack();
    await waitForAnswer(page, callback);
  });

  test('Back from consent leads to it again, and Allow still works', async () => {
    const { page, complaints } = live;
    await page.goto(start({}, thirdParty));
    await signIn(page);
    await page.waitForURL(/\/interaction\//);
    await page.getByRole('button', { name: 'Allow', exact: true }).waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    expect((await waitForAnswer(page, callback)).has('code')).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('saying no to consent tells the app so', async () => {
    const { page } = live;
    await page.goto(start({ prompt: 'consent' }, thirdParty));
    await signIn(page);
    await page.getByRole('button', { name: 'Don’t allow' }).click();
    expect((await waitForAnswer(page, callback)).get('error')).toBe('access_denied');
  });

  test('giving up tells the app so', async () => {
    const { page } = live;
    await page.goto(start());
    await page.getByRole('button', { name: /^Cancel/ }).click();
    expect((await waitForAnswer(page, callback)).get('error')).toBe('access_denied');
  });

  test('two tabs each end in their own app', async () => {
    const { page: one, newTab, complaints } = live;
    const two = await newTab();
    await one.goto(start());
    await two.goto(start({ redirect_uri: otherCallback, state: 'two' }, otherApp));
    await signIn(two);
    expect((await waitForAnswer(two, otherCallback)).get('state')).toBe('two');
    await signIn(one);
    expect((await waitForAnswer(one, callback)).get('state')).toBe('some-state');
    expect(complaints).toEqual([]);
  });

  test.each([true, false])('a double click signs in once, script on: %s', async (script) => {
    const { page, context } = await openBrowser(browser, { javaScriptEnabled: script });
    const before = await countSignIns();
    await page.goto(start());
    await page.locator('[name=identifier]').fill('ada@example.com');
    await page.locator('[name=password]').fill(PASSWORD);
    await page.locator('button.primary').dblclick({ noWaitAfter: true });
    await waitForAnswer(page, callback);
    expect((await countSignIns()) - before).toBe(1);
    await context.close();
  });
});

describe('a page that is stale', { timeout: 60_000 }, () => {
  test('after its time starts again for the same app', async () => {
    const { page, complaints } = live;
    await page.goto(start());
    const before = page.url();
    await expireInteraction(app, before);
    await signIn(page);
    await page.waitForURL((url) => url.pathname.startsWith('/interaction/') && url.href !== before);
    await signIn(page);
    expect((await waitForAnswer(page, callback)).get('state')).toBe('some-state');
    expect(complaints).toEqual([]);
  });

  test('because it was finished in another tab goes on to the same app', async () => {
    const { page, newTab } = live;
    await page.goto(start());
    const twin = await newTab();
    await twin.goto(page.url());
    await signIn(page);
    await waitForAnswer(page, callback);
    await signIn(twin);
    expect((await waitForAnswer(twin, callback)).has('code')).toBe(true);
  });

  test('that belongs to another browser is refused', async () => {
    await live.page.goto(start());
    const { page, context } = await openBrowser(browser);
    const response = await page.goto(live.page.url());
    expect(response?.status()).toBe(400);
    expect(await pageNameOf(page)).toBe('error');
    expect(await page.getByRole('heading').textContent()).toContain('another browser');
    await context.close();
    await signIn(live.page);
    await waitForAnswer(live.page, callback);
  });
});

describe('with a keyboard only', { timeout: 60_000 }, () => {
  test('a person signs in, corrects an error and allows access', async () => {
    const { page, complaints } = live;
    await page.goto(start({ prompt: 'consent' }, thirdParty));
    await page.locator('[name=identifier]:focus').waitFor();
    await page.keyboard.type('ada@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type('not-the-password-at-all');
    await page.keyboard.press('Enter');
    await page.locator('[name=password][aria-invalid=true]:focus').waitFor();
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.locator('main[data-page=consent]').waitFor();
    await tabTo(page, 'Allow');
    await page.keyboard.press('Enter');
    expect((await waitForAnswer(page, callback)).has('code')).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('a person asked again types the password and is done', async () => {
    const { page } = live;
    await page.goto(start());
    await signIn(page);
    await waitForAnswer(page, callback);
    await page.goto(start({ prompt: 'login' }));
    await page.locator('main[data-page=password] [name=password]:focus').waitFor();
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await waitForAnswer(page, callback);
  });
});

/** Presses Tab until the button with this name has the focus. */
async function tabTo(page: LiveBrowser['page'], name: string): Promise<void> {
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<string>('document.activeElement.textContent.trim()');
    if (focused === name) return;
  }
  throw new Error(`Tab never reaches ${name}`);
}

describe('a different account in the same browser', { timeout: 60_000 }, () => {
  test.each([true, false])('replaces the one signed in, script on: %s', async (script) => {
    const { page, context, complaints } = await openBrowser(browser, { javaScriptEnabled: script });
    await page.goto(start());
    await signIn(page);
    await waitForAnswer(page, callback);
    await page.goto(start({ prompt: 'login' }));
    expect(await pageNameOf(page)).toBe('password');
    await page.getByRole('button', { name: 'Use another account' }).click();
    await page.locator('main[data-page=login]').waitFor();
    await signIn(page, 'bob@example.com');
    await waitForAnswer(page, callback);
    await page.goto(start({ prompt: 'login' }));
    expect(await page.locator('.account').textContent()).toContain('bob@example.com');
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe('without script', { timeout: 60_000 }, () => {
  test('a person signs in, allows access, connects a device and signs out', async () => {
    const { page, context, complaints } = await openBrowser(browser, { javaScriptEnabled: false });
    await page.goto(start({ prompt: 'consent' }, thirdParty));
    await signIn(page, 'ada@example.com', 'not-the-password-at-all');
    await page.getByRole('alert').waitFor();
    await signIn(page);
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    expect((await waitForAnswer(page, callback)).has('code')).toBe(true);

    const tv = await app.createClient({ kind: 'native', firstParty: false, name: 'TV' });
    const asked = await postAs(`${app.issuer}/device/authorize`, tv, { scope: 'openid' });
    const { device_code, user_code = '' } = (await asked.json()) as Record<string, string>;
    await page.goto(`${app.issuer}/device`);
    await page.locator('[name=user_code]').fill('WRNG-CODE');
    await page.locator('button.primary').click();
    await page.getByRole('alert').waitFor();
    await page.locator('[name=user_code]').fill(user_code.toLowerCase().replace('-', ' '));
    await page.locator('button.primary').click();
    expect(await page.locator('.code-shown').textContent()).toBe(user_code);
    expect(await page.locator('.facts').textContent()).toContain('ada@example.com');
    await page.getByRole('button', { name: 'Connect device' }).click();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('main[data-page=device-done]').waitFor();
    const tokens = await postAs(`${app.issuer}/token`, tv, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: device_code ?? '',
    });
    expect(tokens.status).toBe(200);

    await page.goto(`${app.issuer}/logout?client_id=${thirdParty}`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('main[data-page=signed-out]').waitFor();
    await page.goto(start());
    expect(await pageNameOf(page)).toBe('login');
    expect(complaints).toEqual([]);
    await context.close();
  });
});
