import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { isStale, seal } from '../../src/crypto/secret-box.ts';
import { eventsOf, openAccount } from '../account/account.ts';
import { pastPassword } from '../one-time-codes/message-codes.ts';
import { CALLBACK, SECRET, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { alertText, createVisitor, type Page, pageName } from '../support/visitor.ts';
import { giveApp, phoneWith } from './totp-app.ts';

/** The current secret of this installation; the other tests' is the one before. */
const NEW_SECRET = 'test-only-2b6d8f0a4c1e49738d5f7a9b3c0e6d14';

let app: TestApp;
let mailbox: Mailbox;
let clientId: string;
let count = 0;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url, PLINTO_SECRET: `${NEW_SECRET},${SECRET}` });
  clientId = (await app.createClient()).client.id;
});
afterAll(async () => {
  await app?.stop();
  await mailbox?.stop();
});

const db = () => app.runtime.deps.db;
const appsOf = (userId: string) => db()('totp_credentials').where({ user_id: userId });
const phoneFrom = ({ html }: Page) =>
  phoneWith((/<code class="key">([^<]+)</.exec(html)?.[1] ?? '').replaceAll(' ', ''));

/** Somebody new at the page on which an app is set up. */
async function atSetUp() {
  count += 1;
  const email = `setter${count}@example.com`;
  const user = await app.createUser({ email });
  const open = () => openAccount(app, email, '/account/totp');
  return { email, user, open, ...(await open()) };
}

const ten = <T>(act: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, act));

/** Subjects of the mails to a person, once there are so many. */
async function subjectsTo(email: string, number: number): Promise<(string | undefined)[]> {
  const subjects = () =>
    mailbox.messages
      .filter(({ recipients }) => recipients.includes(email))
      .map(({ subject }) => subject);
  await expect.poll(subjects, { timeout: 15_000 }).toHaveLength(number);
  return subjects();
}

describe('an app', () => {
  test('security 34: is set up once by a form that is sent ten times, and leads to recovery codes', async () => {
    const { visitor, page, user, email } = await atSetUp();
    const code = phoneFrom(page).code();
    const pages = await ten(() => visitor.submit(page, '/account/totp', { code }));
    for (const { status, url } of pages) {
      expect(status).toBe(200);
      expect(url).toBe(`${app.issuer}/account/recovery-codes/new?done=totp_on`);
    }
    expect(pages[0]?.html).toContain('Your authenticator app is set up.');
    expect(await eventsOf(app, user.id)).toEqual(['factor.added']);
    expect(await appsOf(user.id)).toHaveLength(1);
    expect(await db()('totp_enrolments').where({ user_id: user.id })).toEqual([]);
    const subject = 'A sign-in method was added to your Plinto account';
    expect(await subjectsTo(email, 1)).toEqual([subject]);
  });

  test('is set up with the key of the session it is confirmed in', async () => {
    const { visitor, page, user, open } = await atSetUp();
    const other = await open();
    const phone = phoneFrom(page);
    expect(phoneFrom(other.page).secret).not.toBe(phone.secret);
    const refused = await other.visitor.submit(other.page, '/account/totp', { code: phone.code() });
    expect(refused.status).toBe(422);
    expect(alertText(refused)).toContain('not right');
    expect(await appsOf(user.id)).toEqual([]);

    await visitor.submit(page, '/account/totp', { code: phone.code() });
    const theirs = phoneFrom(other.page).code();
    const late = await other.visitor.submit(other.page, '/account/totp', { code: theirs });
    expect(alertText(late)).toContain('set up already');
    expect(await appsOf(user.id)).toHaveLength(1);
  });

  test('whose key was shown too long ago gets another', async () => {
    const { visitor, page, user } = await atSetUp();
    const old = phoneFrom(page);
    const enrolments = db()('totp_enrolments').where({ user_id: user.id });
    await enrolments.update({ expires_at: db().fn.now() });
    const later = await visitor.submit(page, '/account/totp', { code: old.code() });
    expect(later.status).toBe(422);
    expect(alertText(later)).toContain('took too long');
    const fresh = phoneFrom(later);
    expect(fresh.secret).not.toBe(old.secret);
    await visitor.submit(later, '/account/totp', { code: fresh.code() });
    expect(await appsOf(user.id)).toHaveLength(1);
  });

  test.each([
    [10, /about 5 minutes ahead/],
    [-9, /about 5 minutes behind/],
  ])('whose clock is %d steps off isn’t set up, and the person is told', async (steps, words) => {
    const { visitor, page, user } = await atSetUp();
    const phone = phoneFrom(page);
    const told = await visitor.submit(page, '/account/totp', { code: phone.code(steps) });
    // Half a minute more or less, if a time step passes meanwhile, is told the same.
    expect(alertText(told)).toMatch(words);
    expect(await appsOf(user.id)).toEqual([]);
  });

  test('signs nobody in with the code that set it up', async () => {
    const { visitor, page, email } = await atSetUp();
    const phone = phoneFrom(page);
    await visitor.submit(page, '/account/totp', { code: phone.code() });
    const elsewhere = createVisitor();
    const url = authorizationUrl(app, clientId);
    const asked = await pastPassword(elsewhere, url, email, CALLBACK);
    expect(pageName(asked)).toBe('totp');
    const refused = await elsewhere.submit(asked, '/totp', { code: phone.code() }, CALLBACK);
    expect(alertText(refused)).toContain('used already');
    const back = await elsewhere.submit(refused, '/totp', { code: phone.code(1) }, CALLBACK);
    expect(back.url).toContain(`${CALLBACK}?code=`);
  });

  test('security 34: is turned off once by a form that is sent ten times, and isn’t asked for then', async () => {
    const { visitor, page, user, email } = await atSetUp();
    await visitor.submit(page, '/account/totp', { code: phoneFrom(page).code() });
    const on = await visitor.open(`${app.issuer}/account/totp`);
    const pages = await ten(() => visitor.submit(on, '/totp/remove'));
    for (const { url } of pages) expect(url).toBe(`${app.issuer}/account/totp?done=totp_off`);
    expect(await eventsOf(app, user.id)).toEqual(['factor.added', 'factor.removed']);
    const subjects = await subjectsTo(email, 2);
    expect(subjects).toContain('A sign-in method was removed from your Plinto account');
    const url = authorizationUrl(app, clientId);
    const back = await pastPassword(createVisitor(), url, email, CALLBACK);
    expect(back.url).toContain(`${CALLBACK}?code=`);
    // The next one has a key of its own.
    const again = pages.find(({ html }) => html.includes('class="key"')) as Page;
    expect(phoneFrom(again).secret).not.toBe(phoneFrom(page).secret);
  });
});

test('a secret that was encrypted with the key before works, and is encrypted anew when it is used', async () => {
  count += 1;
  const email = `setter${count}@example.com`;
  const user = await app.createUser({ email });
  const phone = await giveApp(app, user);
  const old = seal(deriveKeyring([SECRET]).box, `totp ${user.id}`, phone.secret);
  await appsOf(user.id).update({ secret: old });
  const { box } = app.runtime.keyring;
  expect(isStale(box, old)).toBe(true);
  const visitor = createVisitor();
  const asked = await pastPassword(visitor, authorizationUrl(app, clientId), email, CALLBACK);
  const back = await visitor.submit(asked, '/totp', { code: phone.code() }, CALLBACK);
  expect(back.url).toContain(`${CALLBACK}?code=`);
  const { secret } = await appsOf(user.id).first('secret');
  expect(isStale(box, secret)).toBe(false);
});
