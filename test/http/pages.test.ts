import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PAGES } from '../../src/http/render.ts';
import { axeViolations, launchBrowser, SCHEMES, screenshotMatrix } from '../support/browser.ts';
import { HOSTILE_SAMPLES, SAMPLES } from '../support/page-samples.ts';
import { type PageServer, servePages, watchForComplaints } from '../support/page-server.ts';

const ALL = [...SAMPLES, ...HOSTILE_SAMPLES];

/** For people to look at: SCREENSHOT_DIR=/some/folder npx vitest run test/http/pages.test.ts */
const pictures = process.env.SCREENSHOT_DIR;

/** Nothing here is clicked, so no frames are waited for; making them is a third of loading a page. */
const FLAGS = pictures === undefined ? ['--disable-threaded-compositing'] : [];

let browser: Browser;
let server: PageServer;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  [server, browser] = await Promise.all([servePages(), launchBrowser(FLAGS)]);
  page = await browser.newPage();
  complaints = watchForComplaints(page);
}, 60_000);

beforeEach(async () => {
  complaints.length = 0;
  await page.setViewportSize({ width: 1280, height: 800 });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

/** Whatever reaches over the sides of the window, whether it can be scrolled to or is cut off. */
const spills = () =>
  page.evaluate<string[]>(
    `[...document.querySelectorAll('body *:not(.hidden)')]
      .filter((e) => { const { left, right } = e.getBoundingClientRect(); return left < 0 || right > innerWidth; })
      .map((e) => e.outerHTML)`,
  );

describe('every page', { timeout: 30_000 }, () => {
  test.each(ALL)('$name is accessible in both schemes and directions', async (sample) => {
    const { name, page: id } = sample;
    await page.goto(server.urlOf(name, 'de'));
    await server.loadAxe(page);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      expect(await axeViolations(page), colorScheme).toEqual([]);
    }
    await page.goto(server.urlOf(name, 'ar'));
    await server.loadAxe(page);
    expect(
      await page.evaluate(`(({ lang, dir }) => ({ lang, dir }))(document.documentElement)`),
    ).toEqual({ lang: 'ar', dir: 'rtl' });
    expect(await axeViolations(page), 'right to left').toEqual([]);
    expect(await page.evaluate(`document.querySelector('main').dataset.page`)).toBe(id);
    expect(complaints).toEqual([]);
  });

  test.each(ALL)('$name fits 320 px in every language', async ({ name }) => {
    await page.setViewportSize({ width: 320, height: 600 });
    for (const lang of ['en', 'de', 'fr', 'es', 'ar']) {
      await page.goto(server.urlOf(name, lang));
      expect(await spills(), lang).toEqual([]);
    }
  });

  test.each(ALL)('$name has large targets and one primary action a form', async ({ name }) => {
    await page.goto(server.urlOf(name));
    const small = await page.evaluate<string[]>(
      `[...document.querySelectorAll('button, input:not([type=hidden]):not([hidden]), a.primary, a.secondary')]
        .filter((e) => e.getBoundingClientRect().height < 44)
        .map((e) => e.outerHTML)`,
    );
    expect(small).toEqual([]);
    const forms = await page.evaluate<{ method: string; primary: number; tokens: number }[]>(
      `[...document.forms].map((form) => ({
        method: form.getAttribute('method'),
        primary: form.querySelectorAll('.primary').length,
        tokens: form.querySelectorAll('[name=csrf], [name=xsrf]').length,
      }))`,
    );
    for (const { method, primary, tokens } of forms) {
      expect(primary).toBeLessThanOrEqual(1);
      // Forms that only ask don't carry the token: it would be in an address.
      expect(tokens).toBe(method === 'get' ? 0 : 1);
    }
  });

  test.each(HOSTILE_SAMPLES)('$name stays text', async ({ name }) => {
    await page.goto(server.urlOf(name));
    expect(await page.evaluate('window.hit')).toBeUndefined();
    const active = `document.querySelectorAll('img, script:not([nonce]), [onerror]').length`;
    expect(await page.evaluate(active)).toBe(0);
    const links = `[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))`;
    for (const href of await page.evaluate<string[]>(links)) {
      expect(href).toMatch(/^(https?:\/\/|\/)/);
    }
    expect(complaints).toEqual([]);
  });

  test('has a title of its own', async () => {
    const titles = new Set<string>();
    for (const name of PAGES) {
      await page.goto(server.urlOf(name));
      titles.add(await page.title());
    }
    expect(titles.size).toBe(PAGES.length);
    expect(titles).toContain('Sign in · Plinto');
  });

  test('is never kept and names its language', async () => {
    const headers = { 'Accept-Language': 'de-CH' };
    const response = await fetch(server.urlOf('login'), { headers });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-language')).toBe('de');
    expect(response.headers.get('vary')).toBe('Accept-Language');
    expect(await response.text()).toContain('<html lang="de" dir="ltr">');
  });

  test('moves nothing under reduced motion, and still shows its edges in forced colours', async () => {
    await page.goto(server.urlOf('consent'));
    const transition = `getComputedStyle(document.querySelector('.primary')).transitionDuration`;
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await page.evaluate(transition)).toBe('0s');
    await page.emulateMedia({ reducedMotion: 'no-preference', forcedColors: 'active' });
    expect(await page.evaluate(transition)).toBe('0.12s');
    const edges = `['main', '.primary', '.secondary'].map((s) => getComputedStyle(document.querySelector(s)))
      .map((style) => style.borderTopWidth + ' ' + style.borderTopStyle)`;
    expect(await page.evaluate(edges)).toEqual(['1px solid', '1px solid', '1px solid']);
    await page.emulateMedia({ forcedColors: 'none' });
  });
});

test('a page that wears an organization’s colour and logo doesn’t move when they come', async () => {
  const measure = `[getComputedStyle(document.querySelector('.primary')).backgroundColor,
    document.querySelector('main').getBoundingClientRect().top]`;
  const look = async (colorScheme: (typeof SCHEMES)[number]) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    return page.evaluate<[string, number]>(measure);
  };
  await page.goto(server.urlOf('login branded'));
  const [light, top] = await look('light');
  const [dark] = await look('dark');
  expect([light, dark]).toEqual(['rgb(11, 110, 79)', 'rgb(21, 116, 86)']);
  await page.route('**/logos/**', (route) => route.abort());
  await page.reload();
  expect(await look('light')).toEqual([light, top]);
  await page.unroute('**/logos/**');
});

// Made on request only: not a test that can fail, so it isn't there otherwise.
if (pictures !== undefined) {
  describe('a picture', () => {
    test.each(ALL)('of $name', { timeout: 30_000 }, async ({ name }) => {
      const open = (opened: Page) => opened.goto(server.urlOf(name));
      await screenshotMatrix(browser, open, pictures ?? '', name.replaceAll(' ', '-'));
    });
  });
}
