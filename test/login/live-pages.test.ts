import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs } from '../support/authorization.ts';
import { axeViolations, launchBrowser, SCHEMES } from '../support/browser.ts';
import {
  type AppServer,
  openBrowser,
  pageNameOf,
  serveApp,
  signIn,
  waitForAnswer,
} from './live-browser.ts';

let app: TestApp;
let browser: Browser;
let relyingParty: AppServer;
let callback: string;
let notes: string;
let trusted: string;
let tv: Credentials;

beforeAll(async () => {
  [app, browser, relyingParty] = await Promise.all([startApp(), launchBrowser(), serveApp()]);
  callback = `${relyingParty.origin}/callback`;
  await app.createUser();
  const about = {
    redirectUris: [callback],
    name: 'Harbour Notes',
    metadata: {
      client_uri: `${relyingParty.origin}/`,
      policy_uri: `${relyingParty.origin}/privacy`,
      tos_uri: `${relyingParty.origin}/terms`,
    },
  };
  notes = (await app.createClient({ ...about, firstParty: false })).client.id;
  trusted = (await app.createClient({ ...about, firstParty: true })).client.id;
  tv = await app.createClient({ kind: 'native', firstParty: false, name: 'Living room TV' });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await relyingParty?.close();
});

function start(clientId: string, params: Record<string, string> = {}): string {
  return authorizationUrl(app, clientId, { redirect_uri: callback, ...params });
}

/** Opens the sign-in page as somebody whom nobody knows yet. */
async function openLogin(page: Page, identifier: string, password: string): Promise<void> {
  await page.goto(start(trusted));
  await signIn(page, identifier, password);
}

async function signInFirst(page: Page): Promise<void> {
  await openLogin(page, 'ada@example.com', PASSWORD);
  await waitForAnswer(page, callback);
}

async function enterDeviceCode(page: Page): Promise<void> {
  await signInFirst(page);
  const asked = await postAs(`${app.issuer}/device/authorize`, tv, { scope: 'openid' });
  const { user_code = '' } = (await asked.json()) as Record<string, string>;
  await page.goto(`${app.issuer}/device?user_code=${user_code}`);
  await page.locator('main[data-page=device-confirm]').waitFor();
}

async function openSetup(page: Page, email: string, password: string): Promise<void> {
  const { deps } = app.runtime;
  const link = await transaction(deps.db, (trx) => createSetupLink(trx, deps, SYSTEM, app.issuer));
  await page.goto(link);
  if (email === '') return;
  await page.locator('[name=name]').fill('Grace Hopper');
  await page.locator('[name=email]').fill(email);
  await page.locator('[name=new_password]').fill(password);
  await page.locator('button.primary').click();
}

type Lead = (page: Page) => Promise<unknown>;
let administrators = 0;

/** Every page and how a person comes to see it. */
const PAGES: [seen: string, page: string, lead: Lead][] = [
  ['home', 'home', (page) => page.goto(app.issuer)],
  ['login', 'login', (page) => page.goto(start(notes))],
  [
    'login-refused',
    'login',
    async (page) => {
      await openLogin(page, 'nobody@example.com', 'not-the-password-at-all');
      await page.getByRole('alert').waitFor();
    },
  ],
  [
    'login-throttled',
    'login',
    async (page) => {
      const { db } = app.runtime.deps;
      await openLogin(page, 'throttled@example.com', 'not-the-password-at-all');
      await page.getByRole('alert').waitFor();
      await db('throttles').update({ blocked_until: db.raw("now() + interval '5 minutes'") });
      await signIn(page, 'throttled@example.com');
      await page.getByText('Too many tries').waitFor();
      await db('throttles').delete();
    },
  ],
  [
    'password',
    'password',
    async (page) => {
      await signInFirst(page);
      await page.goto(start(notes, { prompt: 'login' }));
    },
  ],
  [
    'consent',
    'consent',
    async (page) => {
      const scope = 'openid profile email offline_access';
      await page.goto(start(notes, { prompt: 'consent', scope }));
      await signIn(page);
      await page.locator('main[data-page=consent]').waitFor();
    },
  ],
  [
    'logout',
    'logout',
    async (page) => {
      await signInFirst(page);
      await page.goto(`${app.issuer}/logout?client_id=${notes}`);
    },
  ],
  [
    'signed-out',
    'signed-out',
    async (page) => {
      await signInFirst(page);
      await page.goto(`${app.issuer}/logout?client_id=${notes}`);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.locator('main[data-page=signed-out]').waitFor();
    },
  ],
  [
    'still-signed-in',
    'still-signed-in',
    async (page) => {
      await signInFirst(page);
      await page.goto(`${app.issuer}/logout?client_id=${notes}`);
      await page.getByRole('button', { name: 'Stay signed in' }).click();
      await page.locator('main[data-page=still-signed-in]').waitFor();
    },
  ],
  ['device', 'device', (page) => page.goto(`${app.issuer}/device`)],
  [
    'device-refused',
    'device',
    async (page) => {
      await page.goto(`${app.issuer}/device?user_code=WRNG-CODE`);
      await page.getByRole('alert').waitFor();
    },
  ],
  ['device-confirm', 'device-confirm', enterDeviceCode],
  [
    'device-done',
    'device-done',
    async (page) => {
      await enterDeviceCode(page);
      await page.getByRole('button', { name: 'Connect device' }).click();
      await page.getByRole('button', { name: 'Allow', exact: true }).click();
      await page.locator('main[data-page=device-done]').waitFor();
    },
  ],
  ['error-client', 'error', (page) => page.goto(start('nobody-knows-this-app'))],
  [
    'error-redirect',
    'error',
    (page) => page.goto(start(notes, { redirect_uri: 'https://evil.example/' })),
  ],
  ['error-interaction', 'error', (page) => page.goto(`${app.issuer}/interaction/gone`)],
  ['error-link', 'error', (page) => page.goto(`${app.issuer}/setup/used`)],
  ['error-not-found', 'error', (page) => page.goto(`${app.issuer}/nothing/here`)],
  ['setup', 'setup', (page) => openSetup(page, '', '')],
  [
    'setup-refused',
    'setup',
    async (page) => {
      await openSetup(page, 'grace@example.com', 'short');
      await page.getByRole('alert').waitFor();
    },
  ],
  [
    'setup-done',
    'setup-done',
    async (page) => {
      administrators += 1;
      await openSetup(page, `grace${administrators}@example.com`, PASSWORD);
      await page.locator('main[data-page=setup-done]').waitFor();
    },
  ],
];

describe('the live page', { timeout: 60_000 }, () => {
  test.each(PAGES)(
    '%s is accessible in both schemes, and its policy stops nothing',
    async (_, id, lead) => {
      const { page, context, complaints } = await openBrowser(browser);
      await lead(page);
      expect(await pageNameOf(page)).toBe(id);
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        expect(await axeViolations(page), colorScheme).toEqual([]);
      }
      expect(complaints).toEqual([]);
      await context.close();
    },
  );

  test('would be heard if its policy stopped something', async () => {
    const { page, context, complaints } = await openBrowser(browser);
    await page.goto(app.issuer);
    await page.evaluate(`{
      const script = document.createElement('script');
      script.textContent = 'window.hit = 1';
      document.body.append(script);
    }`);
    expect(await page.evaluate('window.hit')).toBeUndefined();
    await expect.poll(() => complaints.join()).toContain('Content Security Policy');
    await context.close();
  });
});

/** For people to look at: SCREENSHOT_DIR=/some/folder npx vitest run test/login/live-pages.test.ts */
const pictures = process.env.SCREENSHOT_DIR;

// Made on request only: not a test that can fail, so it isn't there otherwise.
if (pictures !== undefined) {
  describe('a picture', { timeout: 120_000 }, () => {
    test.each(PAGES)('of %s', async (seen, _, lead) => {
      for (const colorScheme of SCHEMES) {
        for (const width of [360, 1280]) {
          const viewport = { width, height: 800 };
          const { page, context } = await openBrowser(browser, { colorScheme, viewport });
          await lead(page);
          const path = join(pictures ?? '', `${seen}-${colorScheme}-${width}.png`);
          await page.screenshot({ path, fullPage: true });
          await context.close();
        }
      }
    });
  });
}
