import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { type LiveBrowser, openBrowser, signIn } from '../login/live-browser.ts';
import type { TestApp } from '../support/app.ts';
import { type Hands, withMouse } from './hands.ts';

/** Somebody at the pages of their account. */
export type Person = LiveBrowser & { email: string; hands: Hands };

let people = 0;

/** A person at their account, signed in a moment ago; in another browser if they have one already. */
export async function openAccount(
  app: TestApp,
  browser: Browser,
  options: { javaScriptEnabled: boolean; email?: string; userAgent?: string },
): Promise<Person> {
  const { email = await newPerson(app), ...asked } = options;
  const live = await openBrowser(browser, asked);
  const person = { ...live, email, hands: withMouse(live.page) };
  await live.page.goto(`${app.issuer}/account`);
  await signIn(live.page, email);
  await person.hands.at('account');
  return person;
}

async function newPerson(app: TestApp): Promise<string> {
  people += 1;
  const email = `person${people}@example.com`;
  await app.createUser({ email, profile: {} });
  return email;
}

/** Follows one of the links at the side, to the page with this name. */
export async function openPart(
  { page, hands }: Person,
  words: string,
  name: string,
): Promise<void> {
  await page.locator('.side').getByRole('link', { name: words, exact: true }).click();
  await hands.at(name);
}

/** Waits until the page says that this was done. */
export async function isSaid(page: Page, words: string): Promise<void> {
  await page.getByRole('status').filter({ hasText: words }).waitFor();
}

/** Whether the account is open to this browser. */
export async function isSignedIn(app: TestApp, { page }: Person): Promise<boolean> {
  await page.goto(`${app.issuer}/account`);
  return (await page.locator('main').getAttribute('data-page')) === 'account';
}

/** The name of the file that something lets the browser keep, and what it says. */
export async function download(
  page: Page,
  act: () => Promise<unknown>,
): Promise<[name: string, text: string]> {
  const [file] = await Promise.all([page.waitForEvent('download'), act()]);
  return [file.suggestedFilename(), await readFile(await file.path(), 'utf8')];
}
