import { refreshTokenGrant } from 'openid-client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { twoHalves } from '../account/images.ts';
import {
  type AppServer,
  type LiveBrowser,
  openBrowser,
  serveApp,
  signIn,
  waitForAnswer,
} from '../login/live-browser.ts';
import { type RegistrationApp, startRegistrationApp } from '../registration/registration-app.ts';
import { PASSWORD } from '../support/app.ts';
import { axeViolations, launchBrowser, SCHEMES } from '../support/browser.ts';
import { codeIn } from '../support/mailbox.ts';
import {
  createRelyingParty,
  errorOf,
  type RelyingParty,
  type Tokens,
} from '../support/relying-party.ts';
import { autocompleteOf, withMouse } from './hands.ts';
import { download, isSaid, isSignedIn, openAccount, openPart, type Person } from './person.ts';

const NEW_PASSWORD = 'copper-harbour-whistles-58';
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';

let app: RegistrationApp;
let browser: Browser;
let appServer: AppServer;
let notes: RelyingParty;

beforeAll(async () => {
  [app, browser, appServer] = await Promise.all([
    startRegistrationApp(),
    launchBrowser(),
    serveApp(),
  ]);
  notes = await createRelyingParty(app, {
    name: 'Harbour Notes',
    firstParty: false,
    redirectUris: [`${appServer.origin}/callback`],
  });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await appServer?.close();
});

async function connectNotes({ page, hands }: Person): Promise<Tokens> {
  const scope = 'openid email offline_access';
  const request = await notes.authorize({ scope, prompt: 'consent' });
  await page.goto(request.url);
  await hands.at('consent');
  await hands.press('Allow');
  await waitForAnswer(page, `${appServer.origin}/callback`);
  return request.redeem(page.url());
}

describe.each([
  ['with scripts', true],
  ['with JavaScript off', false],
])('%s', { timeout: 60_000 }, (_name, javaScriptEnabled) => {
  test('a person changes their names and picture', async () => {
    const { page, hands, email, context, complaints } = await openAccount(app, browser, {
      javaScriptEnabled,
    });
    await hands.fill('given_name', 'Ada');
    await hands.fill('family_name', 'Lovelace');
    await hands.fill('username', `ada-${email.split('@')[0]}`);
    await page.locator('[name=zoneinfo]').selectOption('Europe/London');
    await hands.press('Save');
    await isSaid(page, 'Your profile was saved.');
    expect(await page.locator('[name=given_name]').inputValue()).toBe('Ada');
    expect(await page.locator('[name=zoneinfo]').inputValue()).toBe('Europe/London');

    await hands.press('Change: Picture');
    await hands.at('account-picture');
    const buffer = Buffer.from(await twoHalves().png());
    const file = { name: 'me.png', mimeType: 'image/png', buffer };
    await page.locator('[name=picture]').setInputFiles(file);
    await hands.press('Upload');
    await isSaid(page, 'Your picture was changed.');
    const width = "document.querySelector('main img').naturalWidth";
    await expect.poll(() => page.evaluate<number>(width)).toBeGreaterThan(100);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person moves to another address by a code that is mailed there', async () => {
    const { page, hands, email, context, complaints } = await openAccount(app, browser, {
      javaScriptEnabled,
    });
    const other = `new-${email}`;
    await hands.press('Change: Email address');
    await hands.at('account-email');
    expect(await autocompleteOf(page)).toEqual(['email email']);
    await hands.fill('email', other);
    await hands.press('Send code');
    await hands.at('account-email-code');
    expect(await autocompleteOf(page)).toEqual(['code one-time-code']);
    await hands.fill('code', codeIn(await app.mailbox.waitFor(other)));
    await hands.press('Confirm');
    await isSaid(page, 'Your email address is verified.');
    expect(await page.locator('.whoami').textContent()).toContain(other);
    const { subject, text } = await app.mailbox.waitFor(email);
    expect(subject).toMatch(/address/i);
    expect(text).not.toMatch(/\d{8}/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person changes the password, which signs out other browsers', async () => {
    const here = await openAccount(app, browser, { javaScriptEnabled });
    const { page, hands, email } = here;
    const there = await openAccount(app, browser, { javaScriptEnabled, email });
    await openPart(here, 'Password & sign-in', 'account-password');
    await hands.press('Change password: Password');
    await page.locator('[name=new_password]').waitFor();
    expect(await autocompleteOf(page)).toEqual(['username', 'new_password new-password']);
    await hands.fill('new_password', NEW_PASSWORD);
    await hands.press('Save password');
    await isSaid(page, 'Your password was changed.');
    expect(await isSignedIn(app, there)).toBe(false);
    expect(await isSignedIn(app, here)).toBe(true);
    await signIn(there.page, email, PASSWORD);
    await there.page.getByRole('alert').waitFor();
    await signIn(there.page, email, NEW_PASSWORD);
    await there.hands.at('account');
    expect([...here.complaints, ...there.complaints]).toEqual([]);
    await Promise.all([here.context.close(), there.context.close()]);
  });

  test('a person sees where they are signed in and signs the other browser out', async () => {
    const here = await openAccount(app, browser, { javaScriptEnabled });
    const { page, email } = here;
    const there = await openAccount(app, browser, { javaScriptEnabled, email, userAgent: FIREFOX });
    await openPart(here, 'Sessions', 'account-sessions');
    const rows = page.locator('.rows > li');
    expect(await rows.count()).toBe(2);
    expect(await rows.first().textContent()).toContain('This browser');
    expect(await rows.last().textContent()).toContain('Firefox · Windows');
    await rows
      .last()
      .getByRole('button', { name: /^Sign out.*Firefox/ })
      .click();
    await isSaid(page, 'That browser is signed out.');
    expect(await rows.count()).toBe(1);
    expect(await isSignedIn(app, there)).toBe(false);
    expect(await isSignedIn(app, here)).toBe(true);
    expect([...here.complaints, ...there.complaints]).toEqual([]);
    await Promise.all([here.context.close(), there.context.close()]);
  });

  test('a person takes back what they allowed an app', async () => {
    const person = await openAccount(app, browser, { javaScriptEnabled });
    const { page, hands, context, complaints } = person;
    const { refresh_token = '' } = await connectNotes(person);
    await page.goto(`${app.issuer}/account`);
    await openPart(person, 'Apps', 'account-apps');
    const card = page.locator('section.card').filter({ hasText: 'Harbour Notes' });
    expect(await card.textContent()).toContain('Your email address');
    await card.locator('summary').click();
    await hands.press('Remove access now');
    await isSaid(page, 'The app’s access is removed.');
    expect(await page.locator('main').textContent()).not.toContain('Harbour Notes');
    const refreshed = refreshTokenGrant(notes.config, refresh_token);
    expect(await errorOf(refreshed)).toBe('invalid_grant');
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person reads what happened and takes it and all their data along', async () => {
    const person = await openAccount(app, browser, { javaScriptEnabled });
    const { page, hands, email, context, complaints } = person;
    await openPart(person, 'Activity', 'account-activity');
    await page.locator('[name=kind]').selectOption({ label: 'Sign-ins and sessions' });
    await hands.press('Filter');
    await page.waitForURL(/kind=/);
    expect(await page.locator('.rows').first().textContent()).toContain('Signed in');
    const [csvName, csv] = await download(page, () => hands.press('As a table (CSV)'));
    expect(csvName).toBe('activity.csv');
    const [header, latest] = csv.split('\r\n');
    expect(header).toMatch(/^"time","type"/);
    expect(latest).toMatch(/"sign_in.succeeded","you",.*"127.0.0.1"/);
    const [jsonName, json] = await download(page, () => hands.press('As data (JSON)'));
    expect(jsonName).toBe('activity.json');
    const types = (JSON.parse(json) as { type: string }[]).map(({ type }) => type);
    expect(types).toContain('sign_in.succeeded');

    await openPart(person, 'Your data', 'account-data');
    const [dataName, data] = await download(page, () => hands.press('Download'));
    expect(dataName).toBe('my-data.json');
    expect(JSON.parse(data)).toMatchObject({ user: { email } });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person deletes the account, thinks again, and has it back by signing in', async () => {
    const person = await openAccount(app, browser, { javaScriptEnabled });
    const { page, hands, email, context, complaints } = person;
    await openPart(person, 'Your data', 'account-data');
    await hands.press('Delete account');
    await hands.at('account-delete');
    await hands.fill('confirmation', 'somebody else');
    await hands.press('Delete account');
    await page.getByRole('alert').waitFor();
    await hands.fill('confirmation', email);
    await hands.press('Delete account');
    await hands.at('account-deleted');
    const { delete_after } = await app.runtime.deps.db('users').where({ email }).first();
    expect(delete_after).not.toBeNull();
    await hands.press('Sign in and keep it');
    await hands.at('login');
    await signIn(page, email);
    await hands.at('account');
    await openPart(person, 'Activity', 'account-activity');
    expect(await page.locator('main').textContent()).toContain('Kept the account');
    expect(complaints).toEqual([]);
    await context.close();
  });
});

/** Every page of an account, with something on it, and the empty ones of somebody new. */
const PAGES: [path: string, name: string][] = [
  ['', 'account'],
  ['/picture', 'account-picture'],
  ['/email', 'account-email'],
  ['/email/code', 'account-email-code'],
  ['/phone', 'account-phone'],
  ['/password', 'account-password'],
  ['/password/change', 'account-password'],
  ['/sessions', 'account-sessions'],
  ['/apps', 'account-apps'],
  ['/activity', 'account-activity'],
  ['/activity?kind=apps&to=2001-01-01', 'account-activity'],
  ['/data', 'account-data'],
  ['/delete', 'account-delete'],
  ['/deleted', 'account-deleted'],
  ['/nothing-here', 'error'],
];

/** What reaches over the sides of a narrow window. */
const SPILLS = `[...document.querySelectorAll('body *:not(.hidden)')]
  .filter((e) => { const { left, right } = e.getBoundingClientRect(); return left < 0 || right > innerWidth; })
  .map((e) => e.outerHTML)`;

describe('the pages of an account', { timeout: 60_000 }, () => {
  let person: Person;
  /** The same browser, where its owner prefers Arabic. */
  let arabic: LiveBrowser;

  beforeAll(async () => {
    person = await openAccount(app, browser, { javaScriptEnabled: true });
    const { page, hands } = person;
    await connectNotes(person);
    await page.goto(`${app.issuer}/account/picture`);
    const file = {
      name: 'me.png',
      mimeType: 'image/png',
      buffer: Buffer.from(await twoHalves().png()),
    };
    await page.locator('[name=picture]').setInputFiles(file);
    await hands.press('Upload');
    await isSaid(page, 'Your picture was changed.');
    await page.goto(`${app.issuer}/account/email`);
    await hands.fill('email', `${'w'.repeat(50)}@a-rather-long-name-for-a-domain.example.com`);
    await hands.press('Send code');
    await hands.at('account-email-code');
    const storageState = await person.context.storageState();
    arabic = await openBrowser(browser, { storageState, locale: 'ar' });
  }, 60_000);
  afterAll(async () => {
    await person?.context.close();
    await arabic?.context.close();
  });

  test.each(PAGES)(
    '/account%s is accessible in both schemes and directions, and fits 320 px',
    async (path, name) => {
      for (const [dir, { page, complaints }] of Object.entries({ ltr: person, rtl: arabic })) {
        complaints.length = 0;
        await page.setViewportSize({ width: 1280, height: 800 });
        await page.goto(`${app.issuer}/account${path}`);
        await withMouse(page).at(name);
        expect(await page.locator('html').getAttribute('dir')).toBe(dir);
        for (const colorScheme of SCHEMES) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          expect(await axeViolations(page), `${dir} ${colorScheme}`).toEqual([]);
        }
        await page.setViewportSize({ width: 320, height: 640 });
        expect(await page.evaluate<string[]>(SPILLS), dir).toEqual([]);
        expect(complaints).toEqual([]);
      }
    },
  );
});
