import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { issueCode } from '../../src/one-time-codes/issue-code.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { type Mailbox, type Message, startMailbox } from '../support/mailbox.ts';
import { createRelyingParty } from '../support/relying-party.ts';
import { alertText, createVisitor, findForm, pageName } from '../support/visitor.ts';
import { openAccount, signInAgo } from './account.ts';

const NEXT = 'copper-lantern-walks-north-77';
const CHANGE = '/account/password/change';

let app: TestApp;
let mailbox: Mailbox;
let count = 0;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url });
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

/** Somebody new at the form. */
async function atForm(profile = {}) {
  count += 1;
  const email = `person${count}@example.com`;
  const user = await app.createUser({ email, profile });
  return { email, user, ...(await openAccount(app, email, CHANGE)) };
}

async function canSignIn(identifier: string, password: string): Promise<boolean> {
  const visitor = createVisitor();
  const login = await visitor.open(`${app.issuer}/account`);
  return pageName(await visitor.submit(login, '/login', { identifier, password })) === 'account';
}

const noticeTo = (email: string) => (message: Message) =>
  message.recipients.includes(email) && /password|Passwort/.test(String(message.subject));

const passwordEvents = (userId: string) =>
  app.runtime.deps.db('audit_events').where({ user_id: userId, type: 'password.set' });

test('a new password ends what was signed in elsewhere, goes on here, and tells the person', async () => {
  const { email, user, visitor, page } = await atForm({ locale: 'de' });
  const party = await createRelyingParty(app, {
    scope: 'openid offline_access',
    metadata: { grant_types: ['authorization_code', 'refresh_token'] },
  });
  const elsewhere = await openAccount(app, email);
  const tokens = await party.signIn(
    { scope: 'openid offline_access' },
    { visitor: elsewhere.visitor },
  );
  const saved = await visitor.submit(page, CHANGE, { new_password: NEXT });
  expect(saved.url).toBe(`${app.issuer}/account/password?done=password`);
  expect(saved.html).toContain('role="status"');
  expect(pageName(await visitor.open(`${app.issuer}/account`))).toBe('account');
  expect(pageName(await elsewhere.visitor.open(`${app.issuer}/account`))).toBe('login');
  const refreshed = await fetch(`${app.issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${party.client.id}:${party.secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
    }),
  });
  expect(refreshed.status).toBe(400);
  expect(await canSignIn(email, PASSWORD)).toBe(false);
  expect(await canSignIn(email, NEXT)).toBe(true);
  const notice = await mailbox.waitFor(noticeTo(email));
  expect(notice.subject).toContain('Passwort');
  expect(notice.text).toContain(`${app.issuer}/account/password`);
  expect(await passwordEvents(user.id)).toContainEqual(
    expect.objectContaining({ actor: `user:${user.id}` }),
  );
});

test('the page says when it was last changed, and asks nobody to sign in again for that', async () => {
  const { user, visitor } = await atForm({ zoneinfo: 'Europe/Lisbon' });
  await signInAgo(app, user.id, 3600);
  const page = await visitor.open(`${app.issuer}/account/password`);
  expect(pageName(page)).toBe('account-password');
  expect(page.html).toMatch(/Last changed on \w+ \d+, \d{4}/);
  expect(page.html).toContain(`href="${CHANGE}"`);
  expect(page.html).not.toContain('new_password');
});

test('somebody without a password sets one', async () => {
  const { email, user, visitor } = await atForm();
  await app.runtime.deps.db('passwords').where({ user_id: user.id }).delete();
  const page = await visitor.open(`${app.issuer}${CHANGE}`);
  expect(page.html).toContain('Set a password');
  await visitor.submit(page, CHANGE, { new_password: NEXT });
  expect(await canSignIn(email, NEXT)).toBe(true);
});

describe('a password is refused that is', () => {
  test.each([
    ['missing', '', /too short/],
    ['short', 'short-but-odd!', /too short/],
    ['long', `${'x7-'.repeat(86)}`, /too long/],
    ['common', 'passwordpassword', /easy to guess/],
    ['the person', 'grace.hopper@example.com', /your name, your email/],
    ['the one before', PASSWORD, /the password you have now/],
  ])('%s', async (_, new_password, words) => {
    const { email, user, visitor, page } = await atForm({
      given_name: 'Grace',
      family_name: 'Hopper',
    });
    await app.runtime.deps
      .db('users')
      .where({ id: user.id })
      .update({ username: `grace.hopper${count}` });
    const refused = await visitor.submit(page, CHANGE, { new_password });
    expect([refused.status, pageName(refused)]).toEqual([422, 'account-password']);
    expect(alertText(refused)).toMatch(words);
    expect(refused.html).not.toContain(`value="${new_password || ' '}"`);
    expect(await canSignIn(email, PASSWORD)).toBe(true);
  });
});

test('security 34: a form sent ten times at once changes it once, and leads to one place', async () => {
  const { user, visitor, page, email } = await atForm();
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => visitor.submit(page, CHANGE, { new_password: NEXT })),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}/account/password?done=password`]),
  );
  const later = await visitor.submit(page, CHANGE, { new_password: NEXT });
  expect(later.url).toBe(`${app.issuer}/account/password?done=password`);
  expect(await passwordEvents(user.id)).toHaveLength(2);
  await mailbox.waitFor(noticeTo(email));
  expect(mailbox.messages.filter(noticeTo(email))).toHaveLength(1);
});

test('a form from before somebody else changed it says so instead of overwriting', async () => {
  const { email, visitor, page } = await atForm();
  await visitor.submit(page, CHANGE, { new_password: NEXT });
  const stale = await visitor.submit(page, CHANGE, {
    new_password: 'another-kettle-runs-south-12',
  });
  expect([stale.status, alertText(stale)]).toEqual([422, expect.stringContaining('meanwhile')]);
  expect(await canSignIn(email, NEXT)).toBe(true);
});

test('a link to reset the password before no longer works', async () => {
  const { email, user, visitor, page } = await atForm();
  const { keyring, deps } = app.runtime;
  const { token } = await transaction(deps.db, (trx) =>
    issueCode(
      trx,
      { keys: keyring.codes, randomBytes: deps.randomBytes },
      {
        purpose: 'reset-password',
        address: email,
        userId: user.id,
      },
    ),
  );
  const link = `${app.issuer}/reset-password/${token}`;
  expect((await createVisitor().open(link)).status).toBe(200);
  await visitor.submit(page, CHANGE, { new_password: NEXT });
  expect((await createVisitor().open(link)).status).toBe(400);
});

test('security 25: an unknown field is refused by name', async () => {
  const { visitor, page, email } = await atForm();
  const fields = { new_password: NEXT, must_change: 'false' };
  const refused = await visitor.submit(page, CHANGE, fields);
  expect([refused.status, alertText(refused)]).toEqual([
    422,
    expect.stringContaining('must_change'),
  ]);
  expect(await canSignIn(email, PASSWORD)).toBe(true);
});

test('a form of another session changes nothing', async () => {
  const { page } = await atForm();
  const other = await atForm();
  const { action, hidden } = findForm(page, CHANGE);
  const refused = await other.visitor.open(action, undefined, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, new_password: NEXT }),
  });
  expect(refused.status).toBe(403);
  expect(await canSignIn(other.email, PASSWORD)).toBe(true);
});

test('password managers find the form', async () => {
  const answer = await fetch(`${app.issuer}/.well-known/change-password`, { redirect: 'manual' });
  expect(answer.status).toBe(302);
  const url = new URL(String(answer.headers.get('location')), app.issuer);
  expect(url.href).toBe(`${app.issuer}${CHANGE}`);
});
