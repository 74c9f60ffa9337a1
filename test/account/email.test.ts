import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { codeIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { alertText, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

const FORM = '/account/email';
const CODE = '/account/email/code';

let app: TestApp;
let mailbox: Mailbox;
let count = 0;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url });
  await app.createUser({ email: 'taken@example.com' });
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

type Person = { user: User; old: string; next: string; visitor: Visitor; page: Page };

/** Somebody new at the form. */
async function atForm(more: Parameters<TestApp['createUser']>[0] = {}): Promise<Person> {
  count += 1;
  const old = `before${count}@example.com`;
  const user = await app.createUser({ email: old, ...more });
  const opened = await openAccount(app, old, FORM);
  return { user, old, next: `after${count}@example.com`, ...opened };
}

const find = (user: User): Promise<User> =>
  app.runtime.deps.db('users').where({ id: user.id }).first();

const wrongFor = (code: string) => String((Number(code) + 1) % 1e8).padStart(8, '0');

test('a new address is used once the code that was mailed there is typed here', async () => {
  const { user, old, next, visitor, page } = await atForm({ profile: { locale: 'de' } });
  const asked = await visitor.submit(page, FORM, { email: ` ${next.replace('@', '＠')} ` });
  expect([asked.url, pageName(asked)]).toEqual([`${app.issuer}${CODE}`, 'account-email-code']);
  expect(asked.html).toContain(next);
  const mail = await mailbox.waitFor(next);
  expect(mail.subject).toContain('Code');
  expect(mail.recipients).toEqual([next]);
  expect((await find(user)).email).toBe(old);

  const done = await visitor.submit(asked, CODE, { code: codeIn(mail) });
  expect(done.url).toBe(`${app.issuer}/account?done=email`);
  expect(done.html).toContain('role="status"');
  const after = await find(user);
  expect(after.email).toBe(next);
  expect(after.email_verified_at).toBeInstanceOf(Date);
  expect(await eventsOf(app, user.id)).toEqual(['email.changed']);

  const notice = await mailbox.waitFor(
    (m) => m.recipients.includes(old) && /geändert/.test(String(m.subject)),
  );
  expect(notice.text).toContain('a•••@example.com');
  expect(notice.text).not.toContain(next);
  expect(pageName((await openAccount(app, next)).page)).toBe('account');
  expect(pageName((await openAccount(app, old)).page)).toBe('login');
});

test('an address that was never verified is verified the same way', async () => {
  const { user, old, visitor, page } = await atForm({ emailVerified: false });
  expect(page.html).toContain('Verify your email address');
  expect(page.html).toContain(`value="${old}"`);
  const asked = await visitor.submit(page, FORM, { email: old });
  const mail = await mailbox.waitFor(
    (m) => m.recipients.includes(old) && /code/.test(String(m.subject)),
  );
  await visitor.submit(asked, CODE, { code: codeIn(mail) });
  expect((await find(user)).email_verified_at).toBeInstanceOf(Date);
  expect(await eventsOf(app, user.id)).toEqual(['email.verified']);
});

test('security 9: whether somebody else has an address shows in nothing but their own mailbox', async () => {
  const one = await atForm();
  const two = await atForm();
  const free = await one.visitor.submit(one.page, FORM, { email: 'nobody@example.com' });
  const taken = await two.visitor.submit(two.page, FORM, { email: 'Taken@example.com' });
  const shown = ({ status, url, html }: Page) => ({
    status,
    url,
    html: html
      .replaceAll(/value="[^"]*"/g, '')
      .replaceAll(/nonce="[^"]*"/g, '')
      .replaceAll(/before\d+|nobody|taken/gi, '?'),
  });
  expect(shown(taken)).toEqual(shown(free));
  const code = codeIn(await mailbox.waitFor('nobody@example.com'));
  // No code is right, not even the one that the other was sent.
  const refused = await two.visitor.submit(taken, CODE, { code });
  expect([refused.status, alertText(refused)]).toEqual([422, expect.stringContaining('not right')]);
  expect(mailbox.messages.filter((m) => m.recipients.some((r) => /taken/i.test(r)))).toEqual([]);
  expect((await find(two.user)).email).toBe(two.old);
});

test('of two that prove one address, the later is told that it is taken', async () => {
  const one = await atForm();
  const two = await atForm();
  const email = `both${count}@example.com`;
  const pages: Page[] = [];
  const codes: string[] = [];
  for (const { visitor, page } of [one, two]) {
    const after = mailbox.messages.length;
    pages.push(await visitor.submit(page, FORM, { email }));
    codes.push(codeIn(await mailbox.waitFor(email, { after })));
  }
  const answers = await Promise.all(
    [one, two].map(({ visitor }, i) =>
      visitor.submit(pages[i] as Page, CODE, { code: String(codes[i]) }),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 422]);
  const refused = answers.find(({ status }) => status === 422) as Page;
  expect(alertText(refused)).toContain('another account');
  expect(await app.runtime.deps.db('users').where({ email })).toHaveLength(1);
});

describe('a code', () => {
  test('that is wrong is refused, five times at most', async () => {
    const { user, next, visitor, page } = await atForm();
    const asked = await visitor.submit(page, FORM, { email: next });
    const code = codeIn(await mailbox.waitFor(next));
    const wrong = async () =>
      alertText(await visitor.submit(asked, CODE, { code: wrongFor(code) }));
    for (let i = 0; i < 4; i += 1) expect(await wrong()).toContain('not right');
    expect(await wrong()).toContain('too often');
    const late = await visitor.submit(asked, CODE, { code });
    expect([late.status, alertText(late)]).toEqual([422, expect.stringContaining('too often')]);
    expect((await find(user)).email).not.toBe(next);
    expect(await eventsOf(app, user.id)).toEqual(Array(6).fill('code.refused'));
  });

  test.each([
    ['', /Enter the code/],
    ['abc', /not right/],
    ['\u202e', /not right/],
  ])('%j is refused', async (code, words) => {
    const { next, visitor, page } = await atForm();
    const asked = await visitor.submit(page, FORM, { email: next });
    const refused = await visitor.submit(asked, CODE, { code });
    expect([refused.status, pageName(refused)]).toEqual([422, 'account-email-code']);
    expect(alertText(refused)).toMatch(words);
  });

  test('works only in the session that asked for it', async () => {
    const { user, old, next, visitor, page } = await atForm();
    await visitor.submit(page, FORM, { email: next });
    const code = codeIn(await mailbox.waitFor(next));
    const other = await openAccount(app, old, CODE);
    // Nothing was asked for there.
    expect(other.page.url).toBe(`${app.issuer}${FORM}`);
    const { hidden } = findForm(other.page, FORM);
    const refused = await other.visitor.open(`${app.issuer}${CODE}`, undefined, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, code }),
    });
    expect([refused.status, alertText(refused)]).toEqual([
      422,
      expect.stringContaining('no longer'),
    ]);
    expect((await find(user)).email).toBe(old);
  });

  test('stops working when another is asked for', async () => {
    const { user, next, visitor, page } = await atForm();
    const asked = await visitor.submit(page, FORM, { email: next });
    const first = codeIn(await mailbox.waitFor(next));
    await app.runtime.deps
      .db('one_time_codes')
      .update({ created_at: app.runtime.deps.db.raw("created_at - interval '10 seconds'") });
    const after = mailbox.messages.length;
    const again = await visitor.submit(asked, '/account/email/resend');
    expect(again.url).toBe(`${app.issuer}${CODE}?done=code`);
    expect(again.html).toContain('role="status"');
    const second = codeIn(await mailbox.waitFor(next, { after }));
    expect(alertText(await visitor.submit(again, CODE, { code: first }))).toContain('not right');
    await visitor.submit(again, CODE, { code: second });
    expect((await find(user)).email).toBe(next);
  });

  test('too old is refused', async () => {
    const { next, visitor, page } = await atForm();
    const asked = await visitor.submit(page, FORM, { email: next });
    const code = codeIn(await mailbox.waitFor(next));
    await app.runtime.deps.db('one_time_codes').update({ expires_at: new Date(0) });
    expect(alertText(await visitor.submit(asked, CODE, { code }))).toContain('no longer works');
  });
});

test('security 34: forms sent ten times at once mail one code, and change the address once', async () => {
  const { user, next, visitor, page } = await atForm();
  const ten = (from: Page, form: string, fields: Record<string, string>) =>
    Promise.all(Array.from({ length: 10 }, () => visitor.submit(from, form, fields)));
  const asked = await ten(page, FORM, { email: next });
  expect(new Set(asked.map(({ url }) => url))).toEqual(new Set([`${app.issuer}${CODE}`]));
  const code = codeIn(await mailbox.waitFor(next));
  const done = await ten(asked[0] as Page, CODE, { code });
  expect(new Set(done.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}/account?done=email`]),
  );
  expect(await eventsOf(app, user.id)).toEqual(['email.changed']);
  expect(mailbox.messages.filter(({ recipients }) => recipients.includes(next))).toHaveLength(1);
});

test('one mailbox and one person are written to only so often', async () => {
  const { user, visitor, page } = await atForm();
  const answers = [];
  for (let i = 0; i < 8; i += 1) {
    answers.push(await visitor.submit(page, FORM, { email: `many${i}@example.com` }));
  }
  const refused = answers.filter(({ status }) => status === 422);
  expect(refused.length).toBeGreaterThan(0);
  expect(alertText(refused[0] as Page)).toMatch(/Too many mails.*You can try again in/);
  expect(await eventsOf(app, user.id)).toContain('code.refused');
});

describe('refused at the form:', () => {
  test.each<[string, (person: Person) => Record<string, string>, RegExp]>([
    ['nothing', () => ({}), /not an email address/],
    ['no address', () => ({ email: 'somebody' }), /not an email address/],
    ['two addresses', () => ({ email: 'a@example.com,b@example.com' }), /not an email address/],
    ['a header', () => ({ email: 'a@example.com\r\nBcc: b@example.com' }), /not an email address/],
    ['the address there is', ({ old }) => ({ email: old }), /your address already/],
    [
      'security 25: another field',
      ({ next }) => ({ email: next, email_verified_at: 'now' }),
      /email_verified_at/,
    ],
  ])('%s', async (_, fields, words) => {
    const person = await atForm();
    const refused = await person.visitor.submit(person.page, FORM, fields(person));
    expect([refused.status, pageName(refused)]).toEqual([422, 'account-email']);
    expect(alertText(refused)).toMatch(words);
    expect(mailbox.messages.filter((m) => m.recipients.includes(person.next))).toEqual([]);
  });
});
