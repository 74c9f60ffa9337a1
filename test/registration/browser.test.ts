import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AppServer,
  openBrowser,
  pageNameOf,
  serveApp,
  waitForAnswer,
} from '../login/live-browser.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { axeViolations, launchBrowser } from '../support/browser.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { NEW_PASSWORD, type RegistrationApp, startRegistrationApp } from './registration-app.ts';

let app: RegistrationApp;
let browser: Browser;
let relyingParty: AppServer;
let callback: string;
let start: string;

beforeAll(async () => {
  [app, browser, relyingParty] = await Promise.all([
    startRegistrationApp({ TERMS_URL: 'https://example.com/terms' }),
    launchBrowser(),
    serveApp(),
  ]);
  callback = `${relyingParty.origin}/callback`;
  const { client } = await app.createClient({ redirectUris: [callback] });
  start = authorizationUrl(app, client.id, { redirect_uri: callback, prompt: 'create' });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await relyingParty?.close();
});

describe('in a browser', { timeout: 60_000 }, () => {
  test.each([
    ['with scripts', true],
    ['without scripts', false],
  ])('a person signs up %s, by keyboard alone', async (_name, javaScriptEnabled) => {
    const email = `keys-${javaScriptEnabled}@example.com`;
    const { page, context, complaints } = await openBrowser(browser, { javaScriptEnabled });
    await page.goto(start);
    expect(await pageNameOf(page)).toBe('register');
    const type = async (text: string) => {
      await page.keyboard.type(text);
      await page.keyboard.press('Tab');
    };
    await type(email);
    await type(NEW_PASSWORD);
    // The button that shows the password is the script's.
    if (javaScriptEnabled) await page.keyboard.press('Tab');
    await type('Grace');
    await type('Hopper');
    if (javaScriptEnabled) {
      const meter = page.getByRole('meter');
      await expect.poll(() => meter.getAttribute('aria-valuenow')).toMatch(/[34]/);
      expect(await axeViolations(page)).toEqual([]);
    }
    await page.keyboard.press('Space');
    await page.keyboard.press('Enter');
    await page.waitForSelector('main[data-page=verify-email]');
    if (javaScriptEnabled) expect(await axeViolations(page)).toEqual([]);
    await page.keyboard.type(codeIn(await app.mailbox.waitFor(email)));
    await page.keyboard.press('Enter');
    expect((await waitForAnswer(page, callback)).get('code')).toMatch(/^[\w-]{20,}$/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('the link opens in another tab, and the first goes on to the app as well', async () => {
    const email = 'tabs@example.com';
    const { page, newTab, context, complaints } = await openBrowser(browser);
    await page.goto(start);
    await page.locator('[name=email]').fill(email);
    await page.locator('[name=new_password]').fill(NEW_PASSWORD);
    await page.locator('[name=terms]').check();
    await page.locator('button.primary').click();
    await page.waitForSelector('main[data-page=verify-email]');
    const tab = await newTab();
    await tab.goto(linkIn(await app.mailbox.waitFor(email)));
    await tab.locator('button.primary').click();
    const first = (await waitForAnswer(tab, callback)).get('code');
    await page.locator('[name=code]').fill('12345678');
    await page.locator('button.primary').click();
    const second = (await waitForAnswer(page, callback)).get('code');
    expect(second).toMatch(/^[\w-]{20,}$/);
    expect(second).not.toBe(first);
    expect(complaints).toEqual([]);
    await context.close();
  });
});
