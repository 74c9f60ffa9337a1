import * as oidc from 'openid-client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AppServer,
  type LiveBrowser,
  openBrowser,
  serveApp,
  waitForAnswer,
} from '../login/live-browser.ts';
import { type RegistrationApp, startRegistrationApp } from '../registration/registration-app.ts';
import { launchBrowser } from '../support/browser.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { createRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.ts';
import { autocompleteOf, type Hands, withKeyboard, withMouse, withMouseAndAxe } from './hands.ts';

const FIRST_PASSWORD = 'amber-lantern-drifts-73';
const SECOND_PASSWORD = 'copper-harbour-whistles-58';

let app: RegistrationApp;
let browser: Browser;
let appServer: AppServer;
let callback: string;
let relyingParty: RelyingParty;

beforeAll(async () => {
  [app, browser, appServer] = await Promise.all([
    startRegistrationApp(),
    launchBrowser(),
    serveApp(),
  ]);
  callback = `${appServer.origin}/callback`;
  relyingParty = await createRelyingParty(app, {
    name: 'Harbour Notes',
    redirectUris: [callback],
    postLogoutRedirectUris: [`${appServer.origin}/signed-out`],
  });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await appServer?.close();
});

type Person = LiveBrowser & { email: string; hands: Hands };

async function appear(
  email: string,
  javaScriptEnabled: boolean,
  handsOf: (page: Page) => Hands,
): Promise<Person> {
  const live = await openBrowser(browser, { javaScriptEnabled });
  return { ...live, email, hands: handsOf(live.page) };
}

/** From the app through pages that `lead` works to tokens, whose signatures openid-client checks. */
async function signInAt(
  { page }: Person,
  prompt: 'create' | undefined,
  lead: () => Promise<void>,
): Promise<Tokens> {
  const scope = 'openid email profile';
  const request = await relyingParty.authorize({ scope, ...(prompt && { prompt }) });
  await page.goto(request.url);
  await lead();
  await waitForAnswer(page, callback);
  return request.redeem(page.url());
}

/** The mail that something causes. */
async function mailAfter({ email }: Person, act: () => Promise<void>) {
  const after = app.mailbox.messages.length;
  await act();
  return app.mailbox.waitFor(email, { after });
}

async function fillSignUp({ page, hands, email }: Person): Promise<void> {
  await hands.at('register');
  expect(await autocompleteOf(page)).toEqual([
    'email username',
    'new_password new-password',
    'given_name given-name',
    'family_name family-name',
    'homepage off',
  ]);
  await hands.fill('email', email);
  await hands.fill('new_password', FIRST_PASSWORD);
  await hands.fill('given_name', 'Grace');
  await hands.fill('family_name', 'Hopper');
  await hands.press('Create account');
}

async function signUp(person: Person): Promise<void> {
  const { page, hands } = person;
  const mail = await mailAfter(person, () => fillSignUp(person));
  await hands.at('verify-email');
  expect(await autocompleteOf(page)).toEqual(['code one-time-code']);
  await hands.fill('code', codeIn(mail));
  await hands.press('Confirm email address');
}

async function signOut({ page, hands }: Person, { id_token = '' }: Tokens): Promise<void> {
  const goodbye = `${appServer.origin}/signed-out`;
  const url = oidc.buildEndSessionUrl(relyingParty.config, {
    id_token_hint: id_token,
    post_logout_redirect_uri: goodbye,
  });
  await page.goto(url.href);
  await hands.at('logout');
  await hands.press('Sign out');
  await waitForAnswer(page, goodbye);
}

async function resetPassword(person: Person): Promise<void> {
  const { page, hands, email } = person;
  await hands.at('login');
  await hands.press('Forgot password?');
  await hands.at('reset-password');
  expect(await autocompleteOf(page)).toEqual(['identifier username']);
  await hands.fill('identifier', email);
  const mail = await mailAfter(person, () => hands.press('Send the link'));
  await hands.at('reset-password-sent');
  await page.goto(linkIn(mail));
  await hands.at('reset-password-new');
  expect(await autocompleteOf(page)).toEqual(['username', 'new_password new-password']);
  await hands.fill('new_password', SECOND_PASSWORD);
  const notice = await mailAfter(person, () => hands.press('Set password'));
  expect(notice.subject).toMatch(/password/i);
  await hands.at('reset-password-done');
  await hands.press('Sign in');
}

async function signIn({ page, hands, email }: Person, password: string): Promise<void> {
  await hands.at('login');
  expect(await autocompleteOf(page)).toEqual([
    'identifier username webauthn',
    'password current-password',
  ]);
  await hands.fill('identifier', email);
  await hands.fill('password', password);
  await hands.press('Sign in');
}

const PEOPLE: [name: string, scripts: boolean, handsOf: (page: Page) => Hands][] = [
  ['with scripts', true, withMouseAndAxe],
  ['with JavaScript off', false, withMouse],
  ['with a keyboard only', true, withKeyboard],
];

describe.each(PEOPLE)('%s', { timeout: 60_000 }, (name, scripts, handsOf) => {
  const address = `${name.replaceAll(' ', '-')}@example.com`.toLowerCase();

  test('a person signs up, signs out, forgets the password and signs in with another', async () => {
    const person = await appear(address, scripts, handsOf);
    const { page, context, complaints } = person;
    const first = await signInAt(person, 'create', () => signUp(person));
    const sub = first.claims()?.sub ?? '';
    expect(await oidc.fetchUserInfo(relyingParty.config, first.access_token, sub)).toMatchObject({
      email: address,
      email_verified: true,
      given_name: 'Grace',
      family_name: 'Hopper',
    });

    await signOut(person, first);
    const second = await signInAt(person, undefined, async () => {
      await resetPassword(person);
      await signIn(person, FIRST_PASSWORD);
      await page.getByRole('alert').waitFor();
      await signIn(person, SECOND_PASSWORD);
    });
    expect(second.claims()).toMatchObject({ sub, amr: ['pwd'] });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a person who follows the link in the mail need not type its code', async () => {
    const person = await appear(`link-${address}`, scripts, handsOf);
    const { page, hands, context, complaints } = person;
    const tokens = await signInAt(person, 'create', async () => {
      const mail = await mailAfter(person, () => fillSignUp(person));
      await hands.at('verify-email');
      await page.goto(linkIn(mail));
      await hands.at('verify-email');
      expect(await page.locator('[name=code]').count()).toBe(0);
      await hands.press('Confirm email address');
    });
    expect(tokens.claims()?.amr).toEqual(['pwd']);
    expect(complaints).toEqual([]);
    await context.close();
  });
});
