import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { openWith, sealWith } from '../../src/crypto/secret-box.ts';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { PASSWORD, type TestApp } from '../support/app.ts';

/** Where people are sent back to: an app that shows the same page at every address. */
export type AppServer = { origin: string; close: () => Promise<void> };

/** Serves such an app on a port of its own. */
export async function serveApp(): Promise<AppServer> {
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/html' });
    res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,">');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A person's browser. */
export type LiveBrowser = {
  context: BrowserContext;
  page: Page;
  /** Another tab of the same browser. */
  newTab: () => Promise<Page>;
  /** Policy breaches, script errors and dialogs on any page so far: what a quiet page never causes. */
  complaints: string[];
};

/** Opens a browser of its own, with its own cookies. */
export async function openBrowser(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<LiveBrowser> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const complaints: string[] = [];
  context.on('page', (page) => {
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => complaints.push(dialog.message()));
    page.on('console', (message) => {
      // An error page's own status is none.
      const ownStatus = /the server responded with a status of 4\d\d/.test(message.text());
      if (message.type() === 'error' && !ownStatus) complaints.push(message.text());
    });
  });
  return { context, page: await context.newPage(), newTab: () => context.newPage(), complaints };
}

/** Fills the sign-in page and presses the button. */
export async function signIn(
  page: Page,
  identifier = 'ada@example.com',
  password = PASSWORD,
): Promise<void> {
  await page.locator('[name=identifier]').fill(identifier);
  await page.locator('[name=password]').fill(password);
  await page.locator('button.primary').click();
}

/** Name of the page by the contract, once it is one of ours. */
export async function pageNameOf(page: Page): Promise<string | null> {
  return page.locator('main').getAttribute('data-page');
}

/** Waits until the browser is at an app's address. @returns what the app was told there. */
export async function waitForAnswer(page: Page, callback: string): Promise<URLSearchParams> {
  await page.waitForURL((url) => url.href.startsWith(callback));
  return new URL(page.url()).searchParams;
}

/** Lets the time of the interaction at an address run out. */
export async function expireInteraction(app: TestApp, url: string): Promise<void> {
  const uid = new URL(url).pathname.split('/')[2] ?? '';
  const { db } = app.runtime.deps;
  const { payload } = await db('oidc_artifacts')
    .where({ id: hashToken(uid) })
    .first('payload');
  const interaction = JSON.parse(openWith(uid, payload.sealed));
  const ended = { ...interaction, exp: Math.floor(Date.now() / 1000) - 60 };
  await db('oidc_artifacts')
    .where({ id: hashToken(uid) })
    .update({
      payload: { sealed: sealWith(uid, JSON.stringify(ended)) },
      expires_at: db.raw("now() - interval '1 minute'"),
    });
}
