import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { issueCode } from '../../src/one-time-codes/issue-code.ts';
import type { CodePurpose } from '../../src/one-time-codes/store.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import type { User } from '../../src/users/store.ts';
import {
  choosePassword,
  NEW_PASSWORD,
  press,
  type RecoveryApp,
  startRecoveryApp,
} from '../recovery/recovery-app.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl, callbackParams } from '../support/authorization.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

let recovery: RecoveryApp;

beforeAll(async () => {
  recovery = await startRecoveryApp({ SIGN_UP: 'open', SIGN_UP_MIN_SECONDS: '0' });
});
afterAll(() => recovery.stop());

const db = () => recovery.app.runtime.deps.db;

type Browser = { visitor: Visitor; page: Page; uid: string };

async function openBrowser(): Promise<Browser> {
  const { visitor, page } = await recovery.openSignIn();
  return { visitor, page, uid: page.url.split('/').at(-1) ?? '' };
}

const send =
  (path: (uid: string) => string, fields: (token: string) => Record<string, string>) =>
  async ({ visitor, page, uid }: Browser, token: string) => {
    const { hidden } = findForm(page, '/login');
    const response = await visitor.request(`${page.url}${path(uid)}`, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, ...fields(token) }),
    });
    const back = response.headers.get('location') ?? '';
    // On to the app, or back to the sign-in.
    return response.status < 400 && !back.includes(`/interaction/${uid}`);
  };

const open =
  (path: string) =>
  async ({ visitor }: Browser, token: string) =>
    (await visitor.request(`${recovery.app.issuer}${path}/${token}`)).status === 200;

/** Where something is done for a link's token, and whose it has to be. */
const DOORS: [
  string,
  CodePurpose | 'setup',
  (browser: Browser, token: string) => Promise<boolean>,
][] = [
  ['choosing a password', 'reset-password', open('/reset-password')],
  ['accepting an invitation', 'invitation', open('/invitation')],
  ['making the administrator', 'setup', open('/setup')],
  [
    'signing in by link',
    'sign-in',
    send(
      () => '/code',
      (link) => ({ link }),
    ),
  ],
  [
    'signing up by link',
    'sign-up',
    send(
      () => '/verify-email',
      (link) => ({ link }),
    ),
  ],
];

const PURPOSES: (CodePurpose | 'setup')[] = [
  'reset-password',
  'invitation',
  'setup',
  'sign-in',
  'sign-up',
  'change-email',
  'verify-phone',
];

/** A link of each purpose, asked for in the browser's own sign-in. */
async function issueLink(purpose: CodePurpose | 'setup', user: User, { uid }: Browser) {
  const { runtime } = recovery.app;
  const tools = { keys: runtime.keyring.codes, randomBytes: runtime.deps.randomBytes };
  return transaction(db(), async (trx) => {
    if (purpose === 'setup') {
      const url = await createSetupLink(trx, runtime.deps, SYSTEM, recovery.app.issuer);
      return new URL(url).pathname.split('/').at(-1) ?? '';
    }
    const address = user.email ?? '';
    const request = { purpose, address, request: uid, userId: user.id };
    return (await issueCode(trx, tools, request)).token;
  });
}

describe('security 8: a link of one purpose opens nothing else', () => {
  test.each(DOORS)('security 8: %s takes a link for %s only', async (_, own, enter) => {
    const { user } = await recovery.createPerson();
    // As somebody who is invited is.
    await db()('passwords').where({ user_id: user.id }).delete();
    await db()('users').where({ id: user.id }).update({ email_verified_at: null });
    const opened = [];
    for (const purpose of PURPOSES) {
      const browser = await openBrowser();
      const token = await issueLink(purpose, user, browser);
      if (await enter(browser, token)) opened.push(purpose);
    }
    // What a sign-up link needs besides, a pending sign-up, it doesn't have here.
    expect(opened).toEqual(own === 'sign-up' ? [] : [own]);
  });
});

describe('security 8: a link or code works in the sign-in that asked for it', () => {
  test('security 8: not in another of the same browser, nor in another browser', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page } = await recovery.openSignIn();
    await press(visitor, page, '/login', 'email-code', { identifier: email });
    const mail = await recovery.mailbox.waitFor(email);
    const token = new URL(linkIn(mail)).searchParams.get('link') ?? '';
    for (const thief of [visitor, createVisitor()]) {
      const { page: other } = await recovery.openSignIn(thief);
      for (const fields of [{ link: token }, { code: codeIn(mail) }]) {
        const { hidden } = findForm(other, '/login');
        const body = new URLSearchParams({ ...hidden, ...fields });
        const answer = await thief.request(`${other.url}/code`, { method: 'POST', body });
        expect(answer.headers.get('location')).toBe(`${new URL(other.url).pathname}/code`);
      }
    }
    const stolen = await createVisitor().request(page.url);
    expect(stolen.status).toBe(400);
    const back = await visitor.submit(
      await visitor.open(page.url),
      '/code',
      { code: codeIn(mail) },
      CALLBACK,
    );
    expect(back.url).toContain(`${CALLBACK}?code=`);
  });

  test('security 8: a password that was reset ends sign-ins that are under way', async () => {
    const { email } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    // Somebody who knows the old password got as far as can be without being signed in.
    const { visitor, page } = await recovery.openSignIn();
    const { action, hidden } = findForm(page, '/login');
    const body = new URLSearchParams({ ...hidden, identifier: email, password: PASSWORD });
    const proven = await visitor.request(action, { method: 'POST', body });
    expect(proven.status).toBe(303);
    await choosePassword(link, NEW_PASSWORD);
    const resumed = new URL(proven.headers.get('location') ?? '', recovery.app.issuer).href;
    const after = await visitor.open(resumed, CALLBACK);
    expect(callbackParams(after.url).code).toBeUndefined();
    const silent = authorizationUrl(recovery.app, recovery.clientId, { prompt: 'none' });
    const still = await visitor.open(silent, CALLBACK);
    expect(callbackParams(still.url).error).toBe('login_required');
  });
});

describe('security 8: what a thief of the database or the logs finds', () => {
  test('security 8: no code, no link and no password', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page } = await recovery.openSignIn();
    await press(visitor, page, '/login', 'email-code', { identifier: email });
    const code = await recovery.mailbox.waitFor(email);
    const after = recovery.mailbox.messages.length;
    await recovery.forget(email);
    const reset = await recovery.mailbox.waitFor(email, { after });
    const secrets = [
      codeIn(code),
      new URL(linkIn(code)).searchParams.get('link') ?? '',
      new URL(linkIn(reset)).pathname.split('/').at(-1) ?? '',
      page.url.split('/').at(-1) ?? '',
      NEW_PASSWORD,
    ];
    await createVisitor().open(linkIn(reset));
    await createVisitor().open(linkIn(code));
    await choosePassword(linkIn(reset));
    const { rows: tables } = await db().raw(`SELECT format('%I.%I', schemaname, tablename) AS name
      FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`);
    const dump: string[] = [];
    for (const { name } of tables) {
      const { rows } = await db().raw(`SELECT t::text AS whole FROM ${name} t`);
      dump.push(...rows.map(({ whole }: { whole: string }) => whole));
    }
    expect(dump.join('\n')).toContain(email);
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThanOrEqual(8);
      expect(dump.join('\n')).not.toContain(secret);
      expect(recovery.app.logs.join('')).not.toContain(secret);
    }
  });
});

describe('security 8: a cookie that was changed is none', () => {
  /** The cookie with another value, its signature kept. */
  async function change(visitor: Visitor, name: string, change: (value: string) => string) {
    const cookies = await visitor.jar.store.getAllCookies();
    const cookie = cookies.find(({ key }) => key === name);
    if (cookie === undefined) throw new Error(`no ${name} among ${cookies.map((c) => c.key)}`);
    cookie.value = change(cookie.value);
    await visitor.jar.store.putCookie(cookie);
  }
  const flip = (value: string) => (value.startsWith('x') ? 'y' : 'x') + value.slice(1);

  test('security 8: the one that leads back to a sign-in', async () => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    const link = await recovery.mailedLink(email, visitor);
    await change(visitor, 'plinto_return', () => '..%2f..%2fevil');
    const done = await choosePassword(link, NEW_PASSWORD, visitor);
    expect(done.html).toContain('<a class="primary" href="/account"');
  });

  test.each(['plinto_session', 'plinto_session.sig'])('security 8: %s', async (name) => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    await recovery.signIn(email, PASSWORD, visitor);
    const silent = authorizationUrl(recovery.app, recovery.clientId, { prompt: 'none' });
    expect((await visitor.open(silent, CALLBACK)).url).toContain('?code=');
    await change(visitor, name, flip);
    const answer = await visitor.open(silent, CALLBACK);
    expect(callbackParams(answer.url).error).toBe('login_required');
  });

  test.each(['plinto_interaction', 'plinto_interaction.sig'])('security 8: %s', async (name) => {
    const { visitor, page } = await recovery.openSignIn();
    await change(visitor, name, flip);
    const refused = await visitor.open(page.url);
    // Refused, or a sign-in of its own that starts from nothing.
    expect(refused.status === 200 && refused.url === page.url).toBe(false);
    expect(refused.status).toBeLessThan(500);
  });

  test('security 8: the one by which a browser is known', async () => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    await recovery.signIn(email, PASSWORD, visitor);
    await change(visitor, 'plinto_device', flip);
    // It shares the count of strangers now.
    for (let time = 0; time < 6; time += 1) await recovery.forget(email);
    expect(pageName((await recovery.forget(email, visitor)).page)).toBe('reset-password');
  });
});
