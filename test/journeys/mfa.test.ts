import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AppServer,
  type LiveBrowser,
  openBrowser,
  serveApp,
  waitForAnswer,
} from '../login/live-browser.ts';
import { createReader, type Messages, startMessages } from '../one-time-codes/message-codes.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { type AuthenticatorApp, recoveryCodesIn, takeKeyIn } from '../support/authenticator-app.ts';
import { launchBrowser } from '../support/browser.ts';
import { createRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.ts';
import { autocompleteOf, type Hands, withKeyboard, withMouse, withMouseAndAxe } from './hands.ts';
import { download, isSaid } from './person.ts';

let messages: Messages;
let app: TestApp;
let browser: Browser;
let appServer: AppServer;
let notes: RelyingParty;

beforeAll(async () => {
  messages = await startMessages();
  [app, browser, appServer] = await Promise.all([
    startApp(messages.env),
    launchBrowser(),
    serveApp(),
  ]);
  const redirectUris = [`${appServer.origin}/callback`];
  notes = await createRelyingParty(app, { name: 'Harbour Notes', redirectUris });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await appServer?.close();
  await messages?.stop();
});

type Person = LiveBrowser & { email: string; hands: Hands };

let people = 0;

async function appear(
  { scripts, handsOf }: Omit<Manner, 'name'>,
  input: Parameters<typeof createReader>[1] = {},
): Promise<Person> {
  people += 1;
  const email = `person${people}@example.com`;
  await createReader(app, { email, ...input });
  const live = await openBrowser(browser, { javaScriptEnabled: scripts });
  return { ...live, email, hands: handsOf(live.page) };
}

async function givePassword({ hands, email }: Person): Promise<void> {
  await hands.at('login');
  await hands.fill('identifier', email);
  await hands.fill('password', PASSWORD);
  await hands.press('Sign in');
}

/** From the app through the password and what `lead` does to tokens. */
async function signIn(person: Person, lead = async () => {}): Promise<Tokens> {
  const request = await notes.authorize({ scope: 'openid' });
  await person.page.goto(request.url);
  await givePassword(person);
  await lead();
  await waitForAnswer(person.page, `${appServer.origin}/callback`);
  return request.redeem(person.page.url());
}

async function signOut({ page, hands }: Person): Promise<void> {
  await page.goto(`${app.issuer}/logout`);
  await hands.at('logout');
  await hands.press('Sign out');
  await hands.at('signed-out');
}

/** Works the page that shows a key, at the given address. */
async function setUpApp({ page, hands }: Person, name: string): Promise<AuthenticatorApp> {
  await hands.at(name);
  expect(await autocompleteOf(page)).toEqual(['code one-time-code']);
  const phone = takeKeyIn(await page.content());
  await hands.fill('code', phone.wrongCode());
  await hands.press('Confirm');
  await page.getByRole('alert').waitFor();
  // What is set up in the app already must not change because of a slip.
  await hands.fill('code', phone.nextCode());
  await hands.press('Confirm');
  return phone;
}

/** Keeps the recovery codes that a page shows, in each of the ways that it has. */
async function keepCodes({ page, hands, context }: Person, scripts: boolean): Promise<string[]> {
  const codes = recoveryCodesIn(await page.content());
  expect(new Set(codes).size).toBe(10);
  const [name, text] = await download(page, () => hands.press('Download as text'));
  expect(name).toBe('recovery-codes.txt');
  for (const code of codes) expect(text).toContain(code);
  expect(await page.getByRole('button', { name: 'Print' }).isVisible()).toBe(scripts);
  expect(await page.getByRole('button', { name: 'Copy' }).isVisible()).toBe(scripts);
  if (scripts) {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await hands.press('Copy');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied.split('\n')).toEqual(codes);
  }
  await expectSheet(page, codes);
  await hands.press('I have kept them');
  return codes;
}

/** On paper there are the codes, what they are for and whose they are, and nothing else. */
async function expectSheet(page: Page, codes: string[]): Promise<void> {
  await page.emulateMedia({ media: 'print' });
  const shown = await page.evaluate<string>('document.body.innerText');
  for (const code of codes) expect(shown).toContain(code);
  expect(shown).toMatch(/^Plinto\s+Recovery codes of person\d+@example\.com/);
  expect(shown).not.toContain('I have kept them');
  const folder = process.env.SCREENSHOT_DIR;
  if (folder !== undefined) await page.screenshot({ path: `${folder}/sheet.png`, fullPage: true });
  await page.emulateMedia({ media: null });
}

type Manner = { name: string; scripts: boolean; handsOf: (page: Page) => Hands };

const MANNERS: Manner[] = [
  { name: 'with scripts', scripts: true, handsOf: withMouseAndAxe },
  { name: 'with JavaScript off', scripts: false, handsOf: withMouse },
  { name: 'with a keyboard only', scripts: true, handsOf: withKeyboard },
];

describe.each(MANNERS)('$name', { timeout: 90_000 }, (manner) => {
  const { scripts } = manner;

  test('a person turns an app on in their account, loses it once, and has a browser remembered', async () => {
    const person = await appear(manner);
    const { page, hands, context, complaints } = person;
    await page.goto(`${app.issuer}/account/password`);
    await givePassword(person);
    await hands.at('account-password');
    await hands.press('Set up: Authenticator app');
    const phone = await setUpApp(person, 'account-totp');
    await hands.at('account-recovery-codes');
    await isSaid(page, 'Your authenticator app is set up.');
    const [first = ''] = await keepCodes(person, scripts);
    await isSaid(page, 'Your new recovery codes work from now on.');
    await signOut(person);

    const lost = await signIn(person, async () => {
      await hands.at('totp');
      expect(await autocompleteOf(page)).toEqual(['code one-time-code', 'remember']);
      await hands.fill('code', phone.wrongCode());
      await hands.press('Continue');
      await page.getByRole('alert').waitFor();
      await hands.press('Use a recovery code');
      await hands.at('recovery-code');
      await hands.fill('code', first.toLowerCase().replaceAll('-', ' '));
      await hands.press('Continue');
    });
    expect(lost.claims()).toMatchObject({ acr: 'urn:plinto:acr:2fa', amr: ['pwd', 'otp', 'mfa'] });
    await signOut(person);

    await signIn(person, async () => {
      await hands.at('totp');
      await hands.fill('code', phone.nextCode());
      await hands.tick('remember');
      await hands.press('Continue');
    });
    await signOut(person);
    const remembered = await signIn(person);
    expect(remembered.claims()).toMatchObject({ acr: 'urn:plinto:acr:1fa', amr: ['pwd'] });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('an administrator turns an app on to be let in', async () => {
    const person = await appear(manner, { administrator: true });
    const { page, hands, context, complaints } = person;
    const tokens = await signIn(person, async () => {
      await hands.at('enrol-mfa');
      await hands.press('Authenticator app');
      await setUpApp(person, 'enrol-totp');
      await hands.at('recovery-codes');
      await keepCodes(person, scripts);
    });
    expect(tokens.claims()).toMatchObject({ acr: 'urn:plinto:acr:2fa' });
    await page.goto(`${app.issuer}/account/password`);
    await hands.at('account-password');
    expect(await page.locator('main').textContent()).toContain('Left: 10');
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person is sent a code each time', async () => {
    const phone = `+4479461${String(people).padStart(5, '0')}`;
    const person = await appear(manner, { phone, channels: ['sms'] });
    const { page, hands, context, complaints } = person;
    const tokens = await signIn(person, async () => {
      await hands.at('sms-code');
      await hands.press('Send a code');
      await page.locator('[name=code]').waitFor();
      expect(await autocompleteOf(page)).toEqual(['code one-time-code', 'remember']);
      await hands.fill('code', await messages.code(phone));
      await hands.press('Continue');
    });
    expect(tokens.claims()).toMatchObject({ amr: ['pwd', 'sms', 'mfa'] });
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe('pages of passkeys', { timeout: 60_000 }, () => {
  test('say what to do where scripts are off', async () => {
    const person = await appear({ scripts: false, handsOf: withMouse }, { administrator: true });
    const { page, hands, context } = person;
    const request = await notes.authorize({ scope: 'openid' });
    await page.goto(request.url);
    await givePassword(person);
    await hands.at('enrol-mfa');
    await hands.press('Passkey');
    await hands.at('enrol-passkey');
    await page.getByText('Passkeys need JavaScript').waitFor();
    expect(await page.locator('main button.primary:visible').count()).toBe(0);
    await hands.press('Choose another way');
    await hands.at('enrol-mfa');
    await context.close();
  });
});
