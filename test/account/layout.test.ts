import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations, launchBrowser } from '../support/browser.ts';
import { type PageServer, servePages } from '../support/page-server.ts';

const PAGES = [
  'Profile',
  'Password & sign-in',
  'Sessions',
  'Organizations',
  'Apps',
  'Activity',
  'Your data',
];

let browser: Browser;
let server: PageServer;
let page: Page;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePages(), launchBrowser()]);
  page = await browser.newPage({ javaScriptEnabled: false });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  server?.close();
});

const textOf = async (element: Locator) => String(await element.textContent()).trim();

const visibleLinks = async (): Promise<string[]> => {
  const links = await page.locator('nav a').all();
  const shown = await Promise.all(
    links.map(async (link) => [await link.isVisible(), link] as const),
  );
  return Promise.all(shown.filter(([is]) => is).map(([, link]) => textOf(link)));
};

describe('the pages of the account, without script,', () => {
  test('are behind a menu on a phone, which says where one is', async () => {
    await page.setViewportSize({ width: 320, height: 600 });
    await page.goto(server.urlOf('account-email'));
    expect(await visibleLinks()).toEqual([]);
    expect(await textOf(page.locator('summary'))).toBe('Profile');
    await page.locator('summary').click();
    expect(await visibleLinks()).toEqual(PAGES);
  });

  test('are at the side from 56 rem, the current one marked', async () => {
    await page.setViewportSize({ width: 896, height: 600 });
    await page.goto(server.urlOf('account-password'));
    expect(await visibleLinks()).toEqual(PAGES);
    expect(await page.locator('summary').isVisible()).toBe(false);
    const current = page.locator('.side [aria-current=page]');
    expect(await textOf(current)).toBe('Password & sign-in');
    const [nav, main] = await Promise.all(
      ['nav', 'main'].map((name) => page.locator(name).boundingBox()),
    );
    expect((nav?.x ?? 0) + (nav?.width ?? 0)).toBeLessThan(main?.x ?? 0);
  });
});

describe('with script', () => {
  let scripted: Page;
  beforeAll(async () => {
    scripted = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  });

  test('the navigation changes sides when written from right to left, and stays accessible', async () => {
    await scripted.goto(server.urlOf('account'));
    await scripted.evaluate("document.documentElement.dir = 'rtl'");
    const [nav, main] = await Promise.all(
      ['nav', 'main'].map((name) => scripted.locator(name).boundingBox()),
    );
    expect(nav?.x ?? 0).toBeGreaterThan((main?.x ?? 0) + (main?.width ?? 0));
    expect(await axeViolations(scripted)).toEqual([]);
  });

  test('forced colours still show which page is open and where cards end', async () => {
    await scripted.goto(server.urlOf('account'));
    await scripted.emulateMedia({ forcedColors: 'active' });
    const edges = await scripted.evaluate<string[]>(
      `['.side [aria-current]', '.card'].map((s) => getComputedStyle(document.querySelector(s)))
        .map((style) => style.borderInlineStartWidth + ' ' + style.borderInlineStartStyle)`,
    );
    expect(edges).toEqual(['3px solid', '1px solid']);
    await scripted.emulateMedia({ forcedColors: 'none' });
  });

  test('the form of a profile is filled in from top to bottom by keyboard', async () => {
    await scripted.goto(server.urlOf('account'));
    await scripted.locator('#given_name').focus();
    const order: string[] = [];
    for (;;) {
      const id = await scripted.evaluate<string>(
        'document.activeElement.id || document.activeElement.innerText',
      );
      if (order.includes(id)) break;
      order.push(id);
      if (id === 'Save') break;
      await scripted.keyboard.press('Tab');
    }
    expect(order).toEqual([
      'given_name',
      'family_name',
      'name',
      'nickname',
      'username',
      'attribute_department',
      'locale',
      'zoneinfo',
      'Save',
    ]);
  });
});
