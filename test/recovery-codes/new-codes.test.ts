import type { Browser, Page as BrowserPage } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashCode } from '../../src/recovery-codes/codes.ts';
import { eventsOf } from '../account/account.ts';
import { openBrowser, pageNameOf, signIn } from '../login/live-browser.ts';
import { pastPassword } from '../one-time-codes/message-codes.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { launchBrowser } from '../support/browser.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';
import { giveApp } from '../totp/totp-app.ts';

let app: TestApp;
let mailbox: Mailbox;
let clientId: string;
let browser: Browser;
let count = 0;

beforeAll(async () => {
  [mailbox, browser] = await Promise.all([startMailbox(), launchBrowser()]);
  app = await startApp({ TRUST_PROXY: '1', SMTP_URL: mailbox.url });
  clientId = (await app.createClient()).client.id;
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await mailbox?.stop();
});

const db = () => app.runtime.deps.db;
const newCodesUrl = () => `${app.issuer}/account/recovery-codes/new`;
const codesOn = ({ html }: Page) =>
  [...html.matchAll(/<li><code>([\w-]+)</g)].map(([, code = '']) => code);
const keptOf = (userId: string) => db()('recovery_codes').where({ user_id: userId });

/** Somebody new with an app. */
async function createOwner() {
  count += 1;
  const email = `keeper${count}@example.com`;
  const user = await app.createUser({ email });
  return { email, user, phone: await giveApp(app, user) };
}

/** The same, who looks at new codes in the account. */
async function atNewCodes() {
  const owner = await createOwner();
  const visitor = createVisitor({ 'x-forwarded-for': `198.51.100.${count}` });
  const login = await visitor.open(newCodesUrl());
  const typed = { identifier: owner.email, password: PASSWORD };
  const second = await visitor.submit(login, '/login', typed);
  const page = await visitor.submit(second, '/totp', { code: owner.phone.code() });
  expect(pageName(page)).toBe('account-recovery-codes');
  return { ...owner, visitor, page, codes: codesOn(page) };
}

const confirm = (visitor: Visitor, page: Page) => visitor.submit(page, '/recovery-codes/new');

/** What becomes of a code in a new sign-in: `in`, or what the page has against it. */
async function enter(email: string, code = ''): Promise<string | undefined> {
  count += 1;
  const visitor = createVisitor({ 'x-forwarded-for': `203.0.113.${count}` });
  const second = await pastPassword(visitor, authorizationUrl(app, clientId), email, CALLBACK);
  const base = /^.*\/interaction\/[^/]+/.exec(second.url)?.[0];
  // Posted whether or not it is offered, with what any form of the sign-in carries.
  const body = new URLSearchParams({ ...findForm(second, '/totp').hidden, code });
  const headers = { origin: app.issuer };
  const next = await visitor.open(`${base}/recovery-code`, CALLBACK, {
    method: 'POST',
    body,
    headers,
  });
  return next.url.startsWith(`${CALLBACK}?code=`) ? 'in' : alertText(next);
}

describe('new codes', () => {
  test('are the same in every tab of a session, and others in the next', async () => {
    const { visitor, codes, email, phone } = await atNewCodes();
    expect(new Set(codes).size).toBe(10);
    expect(codesOn(await visitor.open(newCodesUrl()))).toEqual(codes);
    const elsewhere = createVisitor({ 'x-forwarded-for': '192.0.2.1' });
    const login = await elsewhere.open(newCodesUrl());
    const typed = { identifier: email, password: PASSWORD };
    const second = await elsewhere.submit(login, '/login', typed);
    const theirs = await elsewhere.submit(second, '/totp', { code: phone.code(1) });
    expect(codesOn(theirs)).toHaveLength(10);
    expect(codesOn(theirs).filter((code) => codes.includes(code))).toEqual([]);
  });

  test('come as a file, without any script', async () => {
    const { page, codes, email } = await atNewCodes();
    const link = /download="([^"]+)" href="data:text\/plain;charset=utf-8,([^"]+)"/.exec(page.html);
    const [, name, content = ''] = link ?? [];
    expect(name).toBe('recovery-codes.txt');
    const lines = decodeURIComponent(content).split('\r\n');
    expect(lines.slice(-11)).toEqual([...codes, '']);
    expect(lines[0]).toBe('Plinto');
    expect(lines[1]).toContain(email);
  });

  test('are worthless before it is confirmed that they are kept', async () => {
    const { visitor, page, codes, email, user } = await atNewCodes();
    expect(await enter(email, codes[0])).not.toBe('in');
    expect(await keptOf(user.id)).toEqual([]);
    await confirm(visitor, page);
    expect(await enter(email, codes[0])).toBe('in');
  });

  test('can’t be read in the database, shown or kept', async () => {
    const { visitor, page, codes, user } = await atNewCodes();
    const dump = async (table: string): Promise<string[]> => {
      const sql = 'SELECT t::text AS whole FROM ?? t WHERE user_id = ?';
      const { rows } = await db().raw(sql, [table, user.id]);
      return rows.map(({ whole }: { whole: string }) => whole);
    };
    const drafts = await dump('recovery_code_drafts');
    await confirm(visitor, page);
    const kept = await dump('recovery_codes');
    expect([drafts.length, kept.length]).toEqual([1, 10]);
    expect(await dump('recovery_code_drafts')).toEqual([]);
    const text = [...drafts, ...kept].join('\n');
    for (const code of codes) {
      for (const form of [code, code.replaceAll('-', '')]) {
        expect(text).not.toContain(form);
        expect(text).not.toContain(Buffer.from(form).toString('hex'));
      }
    }
  });

  test('security 34: are confirmed once by a form that is sent ten times', async () => {
    const { visitor, page, email, user } = await atNewCodes();
    const pages = await Promise.all(Array.from({ length: 10 }, () => confirm(visitor, page)));
    for (const { status, url } of pages) {
      expect(status).toBe(200);
      expect(url).toBe(`${app.issuer}/account/recovery-codes?done=recovery_codes`);
    }
    const events = await eventsOf(app, user.id);
    expect(events.filter((type) => type === 'recovery_codes.created')).toHaveLength(1);
    const mail = await mailbox.waitFor(email);
    expect(mail.text).not.toContain(codesOn(page)[0]);
  });

  test('aren’t confirmed by the form of those that were shown too long ago', async () => {
    const { visitor, page, codes, user } = await atNewCodes();
    const drafts = db()('recovery_code_drafts').where({ user_id: user.id });
    await drafts.update({ expires_at: db().fn.now() });
    const later = await confirm(visitor, page);
    expect(later.status).toBe(422);
    expect(alertText(later)).toContain('other codes');
    expect(codesOn(later)).toHaveLength(10);
    expect(codesOn(later)).not.toContain(codes[0]);
    expect(await keptOf(user.id)).toEqual([]);
    await confirm(visitor, later);
    expect(await keptOf(user.id)).toHaveLength(10);
  });

  test('take the place of those before as soon as they are confirmed', async () => {
    const { visitor, page, codes, email } = await atNewCodes();
    await confirm(visitor, page);
    const again = await visitor.open(newCodesUrl());
    expect(again.html).toContain('They take the place of those you have');
    const fresh = codesOn(again);
    expect(await enter(email, fresh[0])).toContain('not right');
    expect(await enter(email, codes[0])).toBe('in');
    await confirm(visitor, again);
    expect(await enter(email, codes[1])).toContain('not right');
    expect(await enter(email, fresh[0])).toBe('in');
  });
});

test('how many are left is told, and when it is time for new ones', async () => {
  const { visitor, page, codes, email, user } = await atNewCodes();
  const overview = () => visitor.open(`${app.issuer}/account/recovery-codes`);
  const nudge = 'Make new ones while you can sign in';
  expect((await overview()).html).toContain(nudge);
  await confirm(visitor, page);
  expect((await overview()).html).toContain('Codes left: 10');
  expect(await enter(email, codes[0])).toBe('in');
  const nine = await overview();
  expect(nine.html).toContain('Codes left: 9');
  expect(nine.html).not.toContain(nudge);
  await keptOf(user.id)
    .whereIn('hash', codes.slice(1, 8).map(hashCode))
    .update({ used_at: db().fn.now() });
  const two = await overview();
  expect(two.html).toContain('Codes left: 2');
  expect(two.html).toContain(nudge);
});

test('codes go with the last second factor', async () => {
  const { visitor, page, codes, user } = await atNewCodes();
  await confirm(visitor, page);
  await visitor.submit(await visitor.open(`${app.issuer}/account/totp`), '/totp/remove');
  expect(await keptOf(user.id)).toEqual([]);
  // Nor do they come back with the next.
  await giveApp(app, user);
  expect(await keptOf(user.id).whereIn('hash', codes.map(hashCode))).toEqual([]);
});

describe('with a mouse', { timeout: 60_000 }, () => {
  /** Looks at new codes in a real browser; `codes` are those on its screen. */
  async function look(colorScheme: 'light' | 'dark' = 'light') {
    const { email, phone } = await createOwner();
    const live = await openBrowser(browser, { colorScheme });
    const { page } = live;
    await page.goto(newCodesUrl());
    await signIn(page, email);
    await page.locator('[name=code]').fill(phone.code());
    await page.locator('button.primary').click();
    await page.waitForURL(newCodesUrl());
    expect(await pageNameOf(page)).toBe('account-recovery-codes');
    return { ...live, email, codes: await page.locator('#codes li').allInnerTexts() };
  }

  const shownIn = (page: BrowserPage) =>
    page.evaluate<string>('document.body.innerText.replace(/\\s*\\n\\s*/g, "\\n").trim()');

  test('they are copied, and downloaded as a file', async () => {
    const { page, context, codes, complaints } = await look();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.locator('[data-copy=codes]').click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(codes.join('\n'));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('a[download]').click(),
    ]);
    expect(download.suggestedFilename()).toBe('recovery-codes.txt');
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    for (const code of codes) expect(text).toContain(code);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('the printed sheet says whose they are and what for, and nothing else', async () => {
    const { page, context, codes, email, complaints } = await look('dark');
    await page.evaluate('window.print = () => { window.printed = true; }');
    await page.locator('[data-print]').click();
    expect(await page.evaluate('window.printed')).toBe(true);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const lines = (await shownIn(page)).split('\n');
    expect(lines[0]).toBe('Plinto');
    expect(lines[1]).toContain(email);
    expect(lines.slice(-10)).toEqual(codes);
    expect(lines).toHaveLength(14);
    // Whatever the screen looks like, ink is dark and paper is light.
    const colour = await page.evaluate<string>(
      `getComputedStyle(document.querySelector('#codes code')).color`,
    );
    expect(colour).toBe('rgb(22, 24, 29)');
    // As wide as a page across, the account's columns don't squeeze it.
    const width = `document.querySelector('.sheet').getBoundingClientRect().width / innerWidth`;
    expect(await page.evaluate<number>(width)).toBeGreaterThan(0.9);
    if (process.env.SCREENSHOT_DIR !== undefined) {
      await page.screenshot({ path: `${process.env.SCREENSHOT_DIR}/recovery-codes-print.png` });
    }
    expect(complaints).toEqual([]);
    await context.close();
  });
});
