import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { type PageServer, servePages } from '../support/page-server.ts';

let browser: Awaited<ReturnType<typeof launchBrowser>>;
let server: PageServer;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePages(), launchBrowser()]);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  server?.close();
});

test.each(['recovery-codes', 'account-recovery-codes new'])(
  'the sheet of %s has the codes, whose they are and what for, and nothing else',
  async (name) => {
    const page = await browser.newPage({ viewport: { width: 794, height: 1123 } });
    await page.goto(server.urlOf(name));
    expect(await page.locator('.printed').isVisible()).toBe(false);
    expect(await page.locator('[data-print]').isVisible()).toBe(true);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const about = page.locator('.printed');
    expect(await about.isVisible()).toBe(true);
    const text = await about.textContent();
    expect(text).toContain('Plinto');
    expect(text).toContain('Recovery codes of ada.lovelace@example.com');
    expect(text).toContain('November 24, 2026');
    const codes = await page.locator('.codes code').all();
    expect(codes).toHaveLength(10);
    for (const code of codes) expect(await code.isVisible()).toBe(true);
    for (const hidden of ['button', 'a', 'h1', 'nav']) {
      for (const one of await page.locator(hidden).all()) expect(await one.isVisible()).toBe(false);
    }
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      'rgb(245, 246, 247)',
    );
    await page.close();
  },
);

test('the codes can be kept as a file without script, and copied with', async () => {
  const context = await browser.newContext({ acceptDownloads: true });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  await page.goto(server.urlOf('recovery-codes'));
  const href = await page.locator('a[download]').getAttribute('href');
  const file = decodeURIComponent(String(href).replace(/^data:text\/plain;charset=utf-8,/, ''));
  expect(file.match(/^([0-9A-Z]{4}-){3}[0-9A-Z]{4}\r$/gm)).toHaveLength(10);
  const download = page.waitForEvent('download');
  await page.click('a[download]');
  expect((await download).suggestedFilename()).toBe('recovery-codes.txt');
  await page.click('[data-copy]');
  await page.getByText('Copied').waitFor();
  const copied = await page.evaluate('navigator.clipboard.readText()');
  expect(String(copied).split('\n')).toHaveLength(10);
  await context.close();
});
