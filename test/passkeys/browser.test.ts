import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AppServer,
  type LiveBrowser,
  openBrowser,
  pageNameOf,
  serveApp,
  signIn,
  waitForAnswer,
} from '../login/live-browser.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  addVirtualAuthenticator,
  type VirtualAuthenticator,
  type VirtualCredential,
} from '../support/authenticator.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { launchBrowser } from '../support/browser.ts';

let app: TestApp;
let browser: Browser;
let relyingParty: AppServer;
let callback: string;
let clientId: string;
let people = 0;

beforeAll(async () => {
  [app, browser, relyingParty] = await Promise.all([
    startApp({ PASSKEY_OFFER_DAYS: '30' }),
    launchBrowser(),
    serveApp(),
  ]);
  callback = `${relyingParty.origin}/callback`;
  clientId = (await app.createClient({ redirectUris: [callback] })).client.id;
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await relyingParty?.close();
});

const start = (params: Record<string, string> = {}) =>
  authorizationUrl(app, clientId, { redirect_uri: callback, ...params });

async function newPerson(): Promise<{ id: string; email: string }> {
  people += 1;
  const email = `person${people}@example.com`;
  const { id } = await app.createUser({ email });
  // Offers are for the tests that are about them.
  await app.runtime.deps.db('users').where({ id }).update({ passkey_offered_at: new Date() });
  return { id, email };
}

type Somebody = {
  id: string;
  email: string;
  live: LiveBrowser;
  authenticator: VirtualAuthenticator;
};

/** Somebody who made a passkey at their account, in a browser of their own. */
async function withPasskey(options: Record<string, unknown> = {}): Promise<Somebody> {
  const person = await newPerson();
  const live = await openBrowser(browser);
  const { page } = live;
  const authenticator = await addVirtualAuthenticator(page, options);
  await page.goto(`${app.issuer}/account/passkeys`);
  await signIn(page, person.email);
  await page.getByRole('button', { name: 'Create a passkey' }).click();
  await page.getByText('The passkey was added.').waitFor();
  return { ...person, live, authenticator };
}

const byButton = (page: Page) => page.getByRole('button', { name: 'Sign in with a passkey' });
const isAt = (page: Page, name: string) => page.locator(`main[data-page=${name}]`).waitFor();
const alertOf = (page: Page) => page.locator('[role=alert]:visible');

/** As another sign-in sees the browser: it knows nobody, and its passkeys wait to be asked for. */
async function signOut({ live, authenticator }: Somebody): Promise<void> {
  await authenticator.setPresence(false);
  await live.context.clearCookies();
}

async function countPasskeys({ id }: { id: string }): Promise<number> {
  return (await app.runtime.deps.db('passkeys').where({ user_id: id })).length;
}

describe('in a browser', { timeout: 60_000 }, () => {
  test('a passkey made at the account signs in among what the browser fills in', async () => {
    const ada = await withPasskey();
    expect(await countPasskeys(ada)).toBe(1);
    const [made] = await ada.authenticator.credentials();
    expect(made).toMatchObject({ isResidentCredential: true, rpId: 'localhost' });
    await ada.live.context.clearCookies();
    const { page, complaints } = ada.live;
    // The authenticator answers as soon as it is asked, and nobody presses anything.
    await page.goto(start());
    const back = await waitForAnswer(page, callback);
    expect(back.get('code')).toMatch(/^[\w-]{20,}$/);
    expect(complaints).toEqual([]);
    await ada.live.context.close();
  });

  test('it signs in by the button, without a word typed', async () => {
    const ada = await withPasskey();
    await signOut(ada);
    const { page } = ada.live;
    await page.goto(start());
    await isAt(page, 'login');
    await ada.authenticator.setPresence(true);
    await byButton(page).click();
    expect((await waitForAnswer(page, callback)).get('code')).not.toBeNull();
    await ada.live.context.close();
  });

  test('it is the second factor after the password', async () => {
    const ada = await withPasskey();
    await signOut(ada);
    const { page } = ada.live;
    await page.goto(start());
    await signIn(page, ada.email);
    await isAt(page, 'passkey');
    await ada.authenticator.setPresence(true);
    await page.getByRole('button', { name: 'Continue with a passkey' }).click();
    expect((await waitForAnswer(page, callback)).get('code')).not.toBeNull();
    await ada.live.context.close();
  });

  test('it confirms who is asked again', async () => {
    const ada = await withPasskey();
    const { page } = ada.live;
    // Who has a second factor by now is asked for it, and for nothing else.
    await page.goto(start());
    await page.getByRole('button', { name: 'Continue with a passkey' }).click();
    await waitForAnswer(page, callback);
    await page.goto(start({ prompt: 'login' }));
    await isAt(page, 'password');
    await byButton(page).click();
    expect((await waitForAnswer(page, callback)).get('code')).not.toBeNull();
    await ada.live.context.close();
  });

  test('an authenticator that doesn’t know its user signs nobody in, and the page says what to do', async () => {
    const ada = await withPasskey();
    await signOut(ada);
    const { page } = ada.live;
    await page.goto(start());
    await ada.authenticator.setUserVerified(false);
    await ada.authenticator.setPresence(true);
    await byButton(page).click();
    await expect.poll(() => alertOf(page).textContent()).toMatch(/No passkey was used/);
    expect(await pageNameOf(page)).toBe('login');
    await ada.live.context.close();
  });

  test('a deleted passkey is refused', async () => {
    const ada = await withPasskey();
    const { page } = ada.live;
    // What the password manager of a browser without the Signal API keeps.
    const kept = await ada.authenticator.credentials();
    await page.getByText('Rename or delete').click();
    await page.getByRole('button', { name: 'Delete passkey' }).click();
    await page.getByText('The passkey was deleted.').waitFor();
    expect(await countPasskeys(ada)).toBe(0);
    await signOut(ada);
    await ada.authenticator.clear();
    for (const credential of kept) await ada.authenticator.add(credential);
    await page.goto(start());
    await ada.authenticator.setPresence(true);
    await byButton(page).click();
    await expect
      .poll(() => page.locator('#form-error').textContent())
      .toMatch(/belongs to no account/);
    await ada.live.context.close();
  });

  test('a copy whose counter is behind is refused, and that is recorded', async () => {
    const ada = await withPasskey();
    const { db } = app.runtime.deps;
    const [copy] = (await ada.authenticator.credentials()) as [VirtualCredential];
    await db('passkeys')
      .where({ user_id: ada.id })
      .update({ sign_count: copy.signCount + 100 });
    await signOut(ada);
    const { page } = ada.live;
    await page.goto(start());
    await signIn(page, ada.email);
    await ada.authenticator.setPresence(true);
    await page.getByRole('button', { name: 'Continue with a passkey' }).click();
    await expect.poll(() => alertOf(page).textContent()).toMatch(/a copy of it seems to be in use/);
    const events = db('audit_events').where({ user_id: ada.id, type: 'passkey.counter_regressed' });
    expect(await events).toHaveLength(1);
    await ada.live.context.close();
  });

  test('who has one on this device is told so instead of making another', async () => {
    const ada = await withPasskey();
    const { page } = ada.live;
    await page.getByRole('button', { name: 'Create a passkey' }).click();
    await expect.poll(() => alertOf(page).textContent()).toMatch(/has a passkey for your account/);
    expect(await countPasskeys(ada)).toBe(1);
    await ada.live.context.close();
  });

  test('another site can’t ask for the passkeys of this one', async () => {
    const ada = await withPasskey();
    const { page } = ada.live;
    await page.goto(start({ prompt: 'login' }));
    const options = JSON.parse(
      (await page.locator('[data-options]').getAttribute('data-options')) ?? '',
    );
    const ask = (rpId: string) =>
      page.evaluate<string>(
        `navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify({ ...options, rpId })}),
        }).then(({ id }) => id, ({ name }) => name)`,
      );
    expect(await ask('evil.example')).toBe('SecurityError');
    const [passkey] = await app.runtime.deps.db('passkeys').where({ user_id: ada.id });
    expect(await ask('localhost')).toBe(passkey.credential_id);
    await page.goto(page.url().replace('localhost', '127.0.0.1'));
    expect(await ask('localhost')).toBe('SecurityError');
    await ada.live.context.close();
  });
});

describe('after a password', { timeout: 60_000 }, () => {
  async function atOffer() {
    const person = await newPerson();
    const { db } = app.runtime.deps;
    await db('users').where({ id: person.id }).update({ passkey_offered_at: null });
    const live = await openBrowser(browser);
    const authenticator = await addVirtualAuthenticator(live.page);
    await live.page.goto(start());
    await signIn(live.page, person.email);
    await isAt(live.page, 'passkey-offer');
    return { ...person, live, authenticator };
  }

  test('a passkey is made in passing, with recovery codes for when it is lost', async () => {
    const ada = await atOffer();
    const { page } = ada.live;
    await page.getByRole('button', { name: 'Create a passkey' }).click();
    await isAt(page, 'recovery-codes');
    expect(await countPasskeys(ada)).toBe(1);
    await page.locator('button.primary').click();
    expect((await waitForAnswer(page, callback)).get('code')).not.toBeNull();
    await ada.live.context.close();
  });

  test('or not, and it isn’t offered again for a while', async () => {
    const ada = await atOffer();
    const { page } = ada.live;
    await page.getByRole('button', { name: 'Not now' }).click();
    await waitForAnswer(page, callback);
    await ada.live.context.clearCookies();
    await page.goto(start());
    await signIn(page, ada.email);
    expect((await waitForAnswer(page, callback)).get('code')).not.toBeNull();
    const { db } = app.runtime.deps;
    await db('users')
      .where({ id: ada.id })
      .update({ passkey_offered_at: db.raw("now() - interval '31 days'") });
    await ada.live.context.clearCookies();
    await page.goto(start());
    await signIn(page, ada.email);
    await isAt(page, 'passkey-offer');
    await ada.live.context.close();
  });

  test('nothing is offered where there is no script to make one', async () => {
    const person = await newPerson();
    const { db } = app.runtime.deps;
    await db('users').where({ id: person.id }).update({ passkey_offered_at: null });
    const { page, context } = await openBrowser(browser, { javaScriptEnabled: false });
    await page.goto(start());
    expect(await byButton(page).count()).toBe(0);
    await signIn(page, person.email);
    await waitForAnswer(page, callback);
    await context.close();
  });
});

describe('without script', { timeout: 60_000 }, () => {
  test('the page of a passkey says what to do', async () => {
    const ada = await withPasskey();
    const { page, context } = await openBrowser(browser, { javaScriptEnabled: false });
    await page.goto(start());
    await signIn(page, ada.email);
    await isAt(page, 'passkey');
    const said = page.getByText('Passkeys need JavaScript');
    expect(await said.textContent()).toMatch(/Use (another browser|one of the other ways)/);
    await context.close();
    await ada.live.context.close();
  });
});
