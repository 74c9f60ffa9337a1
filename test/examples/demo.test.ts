import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePort, PASSWORD } from '../support/app.ts';
import { type AuthenticatorApp, recoveryCodesIn, takeKeyIn } from '../support/authenticator-app.ts';
import { axeViolations, launchBrowser, SCHEMES } from '../support/browser.ts';
import { type Program, startProgram } from '../support/program.ts';

const EMAIL = 'grace@example.com';

let folder: string;
let env: Record<string, string>;
let issuer: string;
let url: string;
let setupLink: string;
let server: Program;
let demo: Program;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let phone: AuthenticatorApp;
let recoveryCodes: string[];
let broken = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinto-demo-'));
  // For PostgreSQL, which isn't root when the tests are.
  await chmod(folder, 0o755);
  const [port, demoPort] = [await freePort(), await freePort()];
  issuer = `http://localhost:${port}`;
  env = {
    PORT: String(port),
    DEMO_PORT: String(demoPort),
    MANAGEMENT_PORT: '0',
    PLINTO_DATA_DIR: join(folder, 'data'),
  };
  server = startProgram('node', ['src/main.ts', 'serve'], { env });
  setupLink = (await server.saw(/http\S+\/setup\/\S+/))[0];
  browser = await launchBrowser();
  context = await browser.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
}, 120_000);

// One journey in steps: after a step that failed the next ones could only wait for nothing.
beforeEach((step) => {
  if (broken) step.skip();
  step.onTestFailed(() => {
    broken = true;
  });
});

afterAll(async () => {
  await browser?.close();
  await demo?.stop();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function startDemo(): Promise<void> {
  demo = startProgram('node', ['examples/demo/main.ts'], { env });
  url = (await demo.saw(/ready at (\S+)/))[1] as string;
}

async function enterPassword(): Promise<void> {
  await page.fill('[name=password]', PASSWORD);
  await page.click('main button[type=submit]');
}

async function enterCode(name: string, code: string): Promise<void> {
  await page.waitForSelector(`main[data-page=${name}]`);
  await page.fill('[name=code]', code);
  await page.click('main form .primary');
}

const accessToken = () => page.textContent('#access-token .token');
const notice = () => page.textContent('.notice');

test('says to start the server when none runs', async () => {
  const port = String(await freePort());
  const lonely = startProgram('node', ['examples/demo/main.ts'], { env: { ...env, PORT: port } });
  expect(await lonely.ended).toBe(1);
  expect(lonely.output()).toBe(
    `demo: Plinto isn't running at http://localhost:${port}: start it with npm start first\n`,
  );
});

test('starts beside the server, and again with the client it registered before', async () => {
  await startDemo();
  expect(await demo.stop()).toBe(0);
  await startDemo();
  await page.goto(url);
  expect(await page.textContent('.hint')).toContain('Nobody has an account yet');
});

test('leads to the sign-up that a development server offers', async () => {
  await page.goto(url);
  await page.click('text=Create an account');
  expect(await page.getAttribute('main', 'data-page')).toBe('register');
  await page.click('text=Cancel and go back');
  await page.waitForURL(`${url}/`);
});

test('shows claims, userinfo and token to the administrator who was just set up', async () => {
  await page.goto(setupLink);
  await page.fill('[name=name]', 'Grace Hopper');
  await page.fill('[name=email]', EMAIL);
  await page.fill('[name=new_password]', PASSWORD);
  await page.click('main button[type=submit]');
  await page.waitForSelector('main[data-page=setup-done]');

  await page.goto(url);
  await page.click('text=Sign in');
  await page.fill('[name=identifier]', EMAIL);
  await enterPassword();
  await page.waitForSelector('main[data-page=enrol-mfa]');
  await page.click('text=Authenticator app');
  await page.waitForSelector('main[data-page=enrol-totp]');
  phone = takeKeyIn(await page.content());
  await enterCode('enrol-totp', phone.nextCode());
  await page.waitForSelector('main[data-page=recovery-codes]');
  recoveryCodes = recoveryCodesIn(await page.content());
  await page.click('main form .primary');
  await page.waitForSelector('main[data-page=passkey-offer]');
  await page.click('text=Not now');
  await page.waitForURL(`${url}/`);
  expect(await page.textContent('h1')).toBe('Signed in as Grace Hopper');
  expect(await page.textContent('#id-token')).toContain(issuer);
  expect(await page.textContent('#userinfo')).toContain(EMAIL);
  expect(await accessToken()).toMatch(/^[\w-]{40,}$/);
});

test('keeps secrets and tokens out of the browser, but for the access token it shows', async () => {
  const cookies = (await context.cookies(url)).filter(({ name }) => name.startsWith('plinto_demo'));
  expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Lax' }]);
  expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0);
  const html = await page.content();
  expect(html).not.toContain('eyJ');
});

test('refreshes', async () => {
  const before = await accessToken();
  await page.click('text=Refresh');
  await page.waitForURL(`${url}/`);
  expect(await notice()).toContain('new tokens');
  expect(await accessToken()).not.toBe(before);
});

test('signs in again only with the password and a code', async () => {
  await page.click('text=Sign in again');
  expect(page.url()).toContain(`${issuer}/interaction/`);
  await enterPassword();
  await enterCode('totp', phone.nextCode());
  await page.waitForURL(`${url}/`);
  expect(await page.textContent('h1')).toBe('Signed in as Grace Hopper');
});

test.each(SCHEMES)('is accessible in %s', async (scheme) => {
  const stranger = await browser.newPage({ colorScheme: scheme });
  await stranger.goto(url);
  expect(await axeViolations(stranger)).toEqual([]);
  await stranger.close();
  await page.emulateMedia({ colorScheme: scheme });
  await page.reload();
  expect(await axeViolations(page)).toEqual([]);
});

test('refuses forms of other sites', async () => {
  const response = await fetch(`${url}/sign-out`, { method: 'POST', headers: { origin: issuer } });
  expect(response.status).toBe(403);
});

test('drops the sign-in when the server says that it ended', async () => {
  const other = await context.newPage();
  await other.goto(`${issuer}/logout`);
  await other.click('main form .primary');
  await other.waitForLoadState();
  const heading = async () => {
    await page.goto(url);
    return page.textContent('h1');
  };
  await expect.poll(heading, { timeout: 10_000 }).toBe('Demo app');
  expect(await notice()).toBe('You were signed out at the server.');
});

test('believes nobody else that it ended', async () => {
  const body = new URLSearchParams({ logout_token: 'eyJhbGciOiJub25lIn0.e30.' });
  const response = await fetch(`${url}/backchannel-logout`, { method: 'POST', body });
  expect(response.status).toBe(400);
});

test('signs out here and at the server, and comes back', async () => {
  await page.click('text=Sign in');
  await page.fill('[name=identifier]', EMAIL);
  await enterPassword();
  await page.waitForSelector('main[data-page=totp]');
  await page.click('text=Use a recovery code');
  await enterCode('recovery-code', String(recoveryCodes[0]));
  await page.waitForURL(`${url}/`);
  await page.click('text=Sign out');
  await page.click('main form .primary');
  await page.waitForURL(`${url}/`);
  expect(await notice()).toBe('You are signed out.');
  await page.click('text=Sign in');
  await page.waitForSelector('[name=identifier]');
});
