import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { type PageServer, servePages } from '../support/page-server.ts';

let browser: Browser;
let server: PageServer;
let page: Page;
let pageWithoutScript: Page;

beforeAll(async () => {
  [server, browser] = await Promise.all([servePages(), launchBrowser()]);
  page = await browser.newPage();
  pageWithoutScript = await browser.newPage({ javaScriptEnabled: false });
}, 60_000);

beforeEach(() => {
  server.posts.length = 0;
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

/** What has the focus after each press of Tab, from where the page starts until it is left. */
async function tabOrder(): Promise<string[]> {
  const order: string[] = [];
  for (;;) {
    const stop = await page.evaluate<string>(
      `(({ activeElement: e }) => e === document.body ? '' : e.id || (e.getAttribute('aria-label') ?? e.textContent).trim())(document)`,
    );
    if (!stop || order.includes(stop)) return order;
    order.push(stop);
    await page.keyboard.press('Tab');
  }
}

describe('by keyboard', () => {
  const cancel = 'Cancel and go back to Harbour Notes';
  const links = ['Website', 'Privacy', 'Terms'].map((link) => `${link} (opens in a new tab)`);

  test.each([
    ['login', ['identifier', 'password', 'Show password', 'Sign in', cancel, ...links]],
    ['login refused', ['password', 'Show password', 'Sign in', cancel, ...links]],
    ['password refused', ['password', 'Show password', 'Confirm', 'Use another account', 'Cancel']],
    [
      'login with other ways',
      [
        'identifier',
        'password',
        'Show password',
        'Sign in',
        'Email me a sign-in code',
        'Forgot password?',
        'Create an account',
        cancel,
      ],
    ],
    ['code refused', ['code', 'Sign in', 'Send a new code', 'Use your password instead', cancel]],
    ['reset-password', ['identifier', 'Send the link', 'Back to sign-in', cancel]],
    ['reset-password-new', ['new_password', 'Show password', 'Set password']],
    ['setup', ['name', 'email', 'new_password', 'Show password', 'Create administrator']],
    ['setup refused', ['new_password', 'Show password', 'Create administrator']],
    ['device', ['user_code', 'Continue']],
  ])('%s starts where there is something to do and goes down the page', async (name, expected) => {
    await page.goto(server.urlOf(name));
    // The browser gives autofocus its turn a frame after the page has loaded.
    await page.locator('input:focus').waitFor();
    expect(await tabOrder()).toEqual(expected);
  });

  test.each([
    ['login', 'password', '/post?csrf=form-token&identifier=&password='],
    [
      'password',
      'password',
      '/post?csrf=form-token&identifier=ada.lovelace%40example.com&password=',
    ],
    ['device', 'user_code', '/post?xsrf=library-token&user_code='],
    ['login with other ways', 'password', '/post?csrf=form-token&identifier=&password='],
    ['code', 'code', '/post?csrf=form-token&code='],
    ['reset-password', 'identifier', '/post?csrf=form-token&identifier='],
    ['reset-password-new', 'new_password', '/post?csrf=form-token&new_password='],
    ['setup', 'email', '/post?csrf=form-token&name=&email=&new_password='],
  ])('Enter in %s sends the primary action', async (name, field, expected) => {
    await page.goto(server.urlOf(name));
    await page.locator(`#${field}`).press('Enter');
    await expect.poll(() => server.posts).toEqual([expected]);
  });
});

describe('password managers', () => {
  test.each([
    ['login', 'identifier', 'username webauthn'],
    ['login', 'password', 'current-password'],
    ['password', 'identifier', 'username'],
    ['password', 'password', 'current-password'],
    ['code', 'code', 'one-time-code'],
    ['reset-password', 'identifier', 'username'],
    ['reset-password-new', 'new_password', 'new-password'],
    ['setup', 'email', 'username'],
    ['setup', 'new_password', 'new-password'],
  ])('know what %s wants as %s', async (name, field, expected) => {
    await page.goto(server.urlOf(name));
    expect(await page.locator(`[name=${field}]`).getAttribute('autocomplete')).toBe(expected);
  });
});

describe('an error', () => {
  test.each([
    'login refused',
    'password refused',
    'device refused',
    'setup refused',
    'code refused',
    'reset-password refused',
    'reset-password-new refused',
  ])('%s is announced and tied to its field', async (name) => {
    await page.goto(server.urlOf(name));
    expect(await page.title()).toMatch(/^Error: /);
    const field = page.locator('input:focus');
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    const ids = (await field.getAttribute('aria-describedby'))?.split(' ') ?? [];
    expect(ids).toContain(await page.getByRole('alert').getAttribute('id'));
    for (const id of ids) expect(await page.locator(`#${id}`).textContent()).toMatch(/\w/);
  });

  test('that waiting helps says how long, and blames no field', async () => {
    await page.goto(server.urlOf('login throttled'));
    expect(await page.getByRole('alert').textContent()).toContain('Wait 30 seconds');
    expect(await page.locator('[aria-invalid]').count()).toBe(0);
  });
});

describe('without script', () => {
  const device = '/post?xsrf=library-token&user_code=WDJB-MJHT&confirm=yes';

  test.each([
    ['consent', 'Allow', '/post?csrf=form-token'],
    ['consent', 'Don’t allow', '/abort?csrf=form-token'],
    ['logout', 'Sign out', '/post?xsrf=library-token&logout=yes'],
    ['logout', 'Stay signed in', '/post?xsrf=library-token'],
    ['device-confirm', 'Connect device', device],
    ['device-confirm', 'Don’t connect', `${device}&abort=yes`],
    ['password', 'Use another account', '/switch?csrf=form-token'],
    [
      'login with other ways',
      'Email me a sign-in code',
      '/base/email-code?csrf=form-token&identifier=&password=',
    ],
    ['code', 'Send a new code', '/send?csrf=form-token'],
    ['code by link', 'Sign in', '/post?csrf=form-token&link=token'],
    ['reset-password-sent', 'Send it again', '/again?csrf=form-token'],
    ['login', 'Cancel and go back to Harbour Notes', '/abort?csrf=form-token'],
  ])('%s: %s', async (name, button, expected) => {
    await pageWithoutScript.goto(server.urlOf(name));
    await pageWithoutScript.getByRole('button', { name: button, exact: true }).click();
    await expect.poll(() => server.posts).toEqual([expected]);
  });

  test('there is no dead button', async () => {
    await pageWithoutScript.goto(server.urlOf('login'));
    const reveal = pageWithoutScript.getByRole('button', { name: 'Show password' });
    expect(await reveal.count()).toBe(0);
  });
});

describe('script', () => {
  test('sends a form once however often it is pressed, and again after coming back', async () => {
    await page.goto(server.urlOf('login'));
    const submit = page.getByRole('button', { name: 'Sign in' });
    for (let press = 0; press < 3; press++) await submit.click();
    await expect.poll(() => server.posts.length).toBe(1);
    expect(await page.locator('form').first().getAttribute('aria-busy')).toBe('true');
    // What the browser says when it restores the page from its back/forward cache.
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
    await submit.click();
    await expect.poll(() => server.posts.length).toBe(2);
  });

  test('shows a password on demand and hides it before it is sent', async () => {
    await page.goto(server.urlOf('login'));
    const field = page.locator('#password');
    const reveal = page.getByRole('button', { name: 'Show password' });
    await reveal.click();
    expect(await field.getAttribute('type')).toBe('text');
    expect(await reveal.getAttribute('aria-pressed')).toBe('true');
    await field.press('Enter');
    expect(await field.getAttribute('type')).toBe('password');
  });
});

test('a short name follows the name, until somebody writes another', async () => {
  await page.goto(server.urlOf('account-organization-new'));
  const [name, slug] = [page.locator('#name'), page.locator('#slug')];
  await name.fill(' Ünïted  Öfen & Sons! ');
  expect(await slug.inputValue()).toBe('united-ofen-sons');
  await slug.fill('ovens');
  await name.fill('United Ovens');
  expect(await slug.inputValue()).toBe('ovens');
  await slug.fill('');
  await name.fill('Ovens');
  expect(await slug.inputValue()).toBe('ovens');
});

describe('what is to be kept', () => {
  test.each([
    ['enrol-totp', 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'],
    ['organization', '019ac0de-7a3b-7c21-8f00-3d5e9a1b2c4d'],
    [
      'recovery-codes',
      Array.from('0123456789', (digit) => `${digit}V8K-Q2ZD-M4TX-93JW`).join('\n'),
    ],
  ])('is copied from %s as it is to be pasted', async (name, text) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto(server.urlOf(name, 'ar'));
    await page.locator('[data-copy]').click();
    await page.getByText('تم النسخ').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(text);
  });

  test.each(['enrol-totp', 'recovery-codes'])(
    'has no buttons on %s that only a script could answer, where there is none',
    async (name) => {
      await pageWithoutScript.goto(server.urlOf(name));
      const buttons = pageWithoutScript.locator('button[type=button]');
      expect(await buttons.count()).toBeGreaterThan(0);
      for (const button of await buttons.all()) expect(await button.isHidden()).toBe(true);
    },
  );
});
