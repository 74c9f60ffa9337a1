import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { axeViolations, launchBrowser, SCHEMES } from '../support/browser.ts';

const ENDPOINT = '/password-strength';

let app: TestApp;
let browser: Browser;
let page: Page;
/** Bodies that were sent to the meter. */
let sent: string[];

beforeAll(async () => {
  [app, browser] = await Promise.all([startApp(), launchBrowser()]);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
});

beforeEach(async () => {
  await page?.close();
  page = await browser.newPage({ locale: 'en' });
  sent = [];
  page.on('request', (request) => {
    if (request.url().endsWith(ENDPOINT)) sent.push(request.postData() ?? '');
  });
  const { deps } = app.runtime;
  await page.goto(
    await transaction(deps.db, (trx) => createSetupLink(trx, deps, SYSTEM, app.issuer)),
  );
});

const meter = () => page.getByRole('meter', { name: 'Password strength' });
const field = () => page.locator('[name=new_password]');
const said = () => page.locator('.strength [aria-live=polite]');
const score = () => meter().getAttribute('aria-valuenow');

describe('the meter beside a new password', { timeout: 30_000 }, () => {
  test('says what is wrong while it is typed, and when it is good', async () => {
    await field().fill('passwordpassword');
    await expect.poll(() => said().textContent()).toContain('Weak.');
    await field().fill('mossy turnip lantern');
    await expect.poll(() => said().textContent()).toBe('Very strong.');
    expect(await score()).toBe('4');
    expect(await meter().getAttribute('aria-valuetext')).toBe('Very strong.');
  });

  test('knows the words of the form', async () => {
    await page.locator('[name=name]').fill('Wilhelmina Turnbull');
    await field().fill('wilhelmina turnbull');
    await expect.poll(() => said().textContent()).toContain('Too close to your name');
    await page.locator('[name=name]').fill('Ada');
    await field().press('End');
    await field().press('x');
    await expect.poll(() => said().textContent()).not.toContain('Too close to your name');
  });

  test('sends nothing before the field is touched, and once for letters typed in a row', async () => {
    await page.locator('[name=email]').fill('ada@example.com');
    await field().focus();
    await page.locator('[name=name]').focus();
    await field().pressSequentially('mossy turnip', { delay: 5 });
    await expect.poll(() => score()).not.toBe('0');
    expect(sent).toHaveLength(1);
    expect(sent[0]).toContain('new_password=mossy+turnip&');
  });

  test('shows what the last letters are worth, although an older answer comes late', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route(`**${ENDPOINT}`, async (route) => {
      if (route.request().postData()?.includes('mossy')) await held;
      await route.continue().catch(() => {});
    });
    await field().fill('mossy turnip lantern');
    await expect.poll(() => sent.length).toBe(1);
    await field().fill('short');
    await expect.poll(() => said().textContent()).toContain('Too short');
    release();
    await field().fill('shorter');
    await expect.poll(() => said().textContent()).toContain('7 of at least 15');
  });

  test.each([
    ['there is no answer', 'abort'],
    ['the server is busy', 'busy'],
  ])('is silent when %s, and never in the way of the form', async (_, failure) => {
    await field().fill('mossy turnip lantern');
    await expect.poll(() => score()).toBe('4');
    await page.route(`**${ENDPOINT}`, (route) =>
      failure === 'abort' ? route.abort() : route.fulfill({ status: 503, body: 'busy' }),
    );
    await field().fill('mossy turnip lanterns');
    await expect.poll(() => score()).toBe('0');
    expect(await said().textContent()).toBe('');
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.locator('[name=email]').fill(`${failure}@example.com`);
    await field().press('Enter');
    await expect.poll(() => page.locator('main').getAttribute('data-page')).toBe('setup-done');
  });

  test.each([
    ['weak', 'passwordpassword'],
    ['fair', 'tulip tulip rose'],
    ['strong', 'mossy turnip lantern'],
  ])('is accessible in both schemes: %s', async (_, password) => {
    await field().fill(password);
    await expect.poll(() => said().textContent()).not.toBe('');
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      expect(await axeViolations(page), colorScheme).toEqual([]);
    }
  });

  test('does not reach over a narrow window, whatever it says', async () => {
    await page.setViewportSize({ width: 320, height: 700 });
    for (const [dir, password] of [
      ['ltr', 'a'.repeat(40)],
      ['rtl', 'passwordpassword'],
    ]) {
      await page.evaluate(`document.documentElement.dir = '${dir}'`);
      await field().fill(password ?? '');
      await expect.poll(() => said().textContent()).toContain('epeated');
      const [wide, inner] = await page.evaluate<number[]>(
        '[document.documentElement.scrollWidth, innerWidth]',
      );
      expect(wide).toBeLessThanOrEqual(inner ?? 0);
    }
  });
});

test('without script there is a field with its hint, and no meter', async () => {
  const plain = await browser.newPage({ javaScriptEnabled: false });
  await plain.goto(page.url());
  expect(await plain.getByRole('meter').count()).toBe(0);
  const hint = await plain.locator('[name=new_password]').getAttribute('aria-describedby');
  expect(await plain.locator(`#${hint}`).textContent()).toContain('At least 15 characters');
  await plain.close();
});
