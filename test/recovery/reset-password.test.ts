import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl, callbackParams, postAs, redeem } from '../support/authorization.ts';
import { linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, pageName } from '../support/visitor.ts';
import {
  choosePassword,
  NEW_PASSWORD,
  type RecoveryApp,
  startRecoveryApp,
} from './recovery-app.ts';

let recovery: RecoveryApp;

beforeAll(async () => {
  recovery = await startRecoveryApp();
});
afterAll(() => recovery.stop());

const db = () => recovery.app.runtime.deps.db;

describe('a forgotten password', () => {
  test('is replaced by way of the mailbox, and the sign-in goes on where it was', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page, uid } = await recovery.forget(email);
    expect(pageName(page)).toBe('reset-password-sent');
    expect(page.html).toContain(email);
    const link = linkIn(await recovery.mailbox.waitFor(email));
    expect(link).toMatch(new RegExp(`^${recovery.app.issuer}/reset-password/[\\w-]{43}$`));

    const form = await visitor.open(link);
    expect(form.html).toContain(email);
    const done = await choosePassword(link, NEW_PASSWORD, visitor);
    expect(pageName(done)).toBe('reset-password-done');
    const back = /<a class="primary" href="([^"]+)"/.exec(done.html)?.[1] ?? '';
    expect(back).toBe(`/interaction/${uid}/login`);
    // Nobody is signed in by a reset.
    const login = await visitor.open(new URL(back, recovery.app.issuer).href);
    expect(pageName(login)).toBe('login');

    const refused = await visitor.submit(login, '/login', {
      identifier: email,
      password: PASSWORD,
    });
    expect(alertText(refused)).toContain('Wrong email');
    const app = await visitor.submit(
      refused,
      '/login',
      { identifier: email, password: NEW_PASSWORD },
      CALLBACK,
    );
    expect(app.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test('ends every session and refresh token, and the person is told by mail', async () => {
    const { email, user } = await recovery.createPerson();
    const credentials = await recovery.app.createClient({ scope: 'openid offline_access' });
    const elsewhere = createVisitor();
    const authorize = (prompt: string) =>
      authorizationUrl(recovery.app, credentials.client.id, {
        scope: 'openid offline_access',
        prompt,
      });
    const page = await elsewhere.open(authorize('consent'), CALLBACK);
    const signedIn = await elsewhere.submit(
      page,
      '/login',
      { identifier: email, password: PASSWORD },
      CALLBACK,
    );
    const callback = signedIn.url.startsWith(CALLBACK)
      ? signedIn
      : await elsewhere.submit(signedIn, '/consent', {}, CALLBACK);
    const answer = await redeem(recovery.app, credentials, callbackParams(callback.url).code ?? '');
    const tokens = (await answer.json()) as Record<string, string>;
    expect(tokens.refresh_token).toBeDefined();

    const after = recovery.mailbox.messages.length;
    await choosePassword(await recovery.mailedLink(email));
    const again = await elsewhere.open(authorize('none'), CALLBACK);
    expect(callbackParams(again.url).error).toBe('login_required');
    const refreshed = await postAs(`${recovery.app.issuer}/token`, credentials, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token ?? '',
    });
    expect(refreshed.status).toBe(400);
    expect(await refreshed.json()).toMatchObject({ error: 'invalid_grant' });
    const userinfo = await fetch(`${recovery.app.issuer}/me`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(userinfo.status).not.toBe(200);

    const notice = await recovery.mailbox.waitFor(
      (m) => m.recipients.includes(email) && /changed/.test(m.subject ?? ''),
      { after },
    );
    expect(notice.text).not.toContain('/reset-password/');
    const events = await db()('audit_events').where({ user_id: user.id }).orderBy('id');
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['password.reset_requested', 'password.set']),
    );
  });

  test('lets in who had tried too often before', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page: login } = await recovery.openSignIn();
    let page = login;
    for (let time = 0; time < 12; time += 1) {
      const fields = { identifier: email, password: 'not-the-password-at-all' };
      page = await visitor.submit(page, '/login', fields);
    }
    expect(alertText(page)).toContain('Too many tries');
    await db()('throttles')
      .where('failures', 11)
      .update({ blocked_until: db().raw("now() + interval '1 hour'") });
    await choosePassword(await recovery.mailedLink(email));
    const back = await recovery.signIn(email, NEW_PASSWORD);
    expect(back.url).toContain(`${CALLBACK}?code=`);
  });

  test('is asked for again with what was typed at the sign-in page', async () => {
    const { visitor, page } = await recovery.openSignIn();
    const refused = await visitor.submit(page, '/login', {
      identifier: 'Ada@Example.com',
      password: 'not-the-password-at-all',
    });
    const link = /href="([^"]+\/reset-password)"/.exec(refused.html)?.[1] ?? '';
    const asking = await visitor.open(new URL(link, recovery.app.issuer).href);
    expect(pageName(asking)).toBe('reset-password');
    expect(asking.html).toContain('value="Ada@Example.com"');
    expect(alertText(asking)).toBeUndefined();
  });

  test('of nobody is asked for again', async () => {
    const { page, visitor } = await recovery.forget('  ');
    expect(pageName(page)).toBe('reset-password');
    expect(alertText(page)).toContain('Enter your email');
    const back = await visitor.open(page.url.replace(/reset-password$/, 'login'));
    expect(pageName(back)).toBe('login');
    expect(alertText(back)).toBeUndefined();
  });
});

describe('the link', () => {
  test('is for the account, whatever it is called', async () => {
    const email = recovery.newAddress();
    await recovery.app.createUser({ email, username: 'Grace.Hopper' });
    const [local, domain] = email.split('@');
    const spellings = [
      ` ${email} `,
      email.toUpperCase(),
      `${local}@EXAMPLE.com`,
      `${local}＠${domain}`,
      'grace.hopper',
    ];
    for (const spelling of spellings) {
      const after = recovery.mailbox.messages.length;
      await recovery.forget(spelling);
      const mail = await recovery.mailbox.waitFor(email, { after });
      expect(linkIn(mail), spelling).toContain('/reset-password/');
    }
  });

  test('survives whoever looks at it before', async () => {
    const { email } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const scanner = createVisitor({ 'user-agent': 'LinkScanner/1.0' });
    for (const init of [{}, { method: 'HEAD' }, { headers: { 'sec-purpose': 'prefetch' } }]) {
      const seen = await scanner.request(link, init);
      expect(seen.status).toBe(200);
      expect(seen.headers.get('cache-control')).toBe('no-store');
    }
    expect(pageName(await choosePassword(link))).toBe('reset-password-done');
  });

  test('works once, and says how to get another', async () => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    const link = await recovery.mailedLink(email, visitor);
    const page = await visitor.open(link);
    await choosePassword(link, NEW_PASSWORD, visitor);
    const other = { new_password: 'another-kettle-whistles-9' };
    const late = await visitor.submit(page, new URL(link).pathname, other);
    expect([late.status, pageName(late)]).toEqual([400, 'error']);
    expect((await recovery.signIn(email, other.new_password)).url).not.toContain(CALLBACK);
    const seen = await visitor.open(link);
    expect(seen.status).toBe(400);
    const restart = /<a class="primary" href="([^"]+)"/.exec(seen.html)?.[1] ?? '';
    const asking = await visitor.open(new URL(restart, recovery.app.issuer).href);
    expect(pageName(asking)).toBe('reset-password');
  });

  test('dies with a newer one', async () => {
    const { email } = await recovery.createPerson();
    const older = await recovery.mailedLink(email);
    const newer = await recovery.mailedLink(email);
    const visitor = createVisitor();
    const seen = await visitor.open(older);
    expect([seen.status, pageName(seen)]).toEqual([400, 'error']);
    expect(pageName(await choosePassword(newer))).toBe('reset-password-done');
  });

  test('dies of age, also while its page is open', async () => {
    const { email, user } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    await db()('one_time_codes')
      .where({ user_id: user.id })
      .update({ expires_at: db().raw("now() - interval '1 second'") });
    const late = await visitor.submit(page, new URL(link).pathname, { new_password: NEW_PASSWORD });
    expect([late.status, pageName(late)]).toEqual([400, 'error']);
    expect((await visitor.open(link)).status).toBe(400);
    expect((await visitor.open(`${link}/done`)).status).toBe(400);
    expect((await recovery.signIn(email, PASSWORD)).url).toContain(CALLBACK);
  });

  test('is not used up by a password that is refused', async () => {
    const { email } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const visitor = createVisitor();
    for (const [password, problem] of [
      ['', 'too short'],
      ['short', 'too short'],
      ['aaaaaaaaaaaaaaaaaaaa', 'easy to guess'],
      [`${email}-${email}`, 'contains your name'],
    ] as const) {
      const refused = await choosePassword(link, password, visitor);
      expect([refused.status, pageName(refused)]).toEqual([422, 'reset-password-new']);
      expect(alertText(refused)).toContain(problem);
    }
    expect(pageName(await choosePassword(link, NEW_PASSWORD, visitor))).toBe('reset-password-done');
  });

  test('leads to the account in a browser that did not ask for it', async () => {
    const { email } = await recovery.createPerson();
    const done = await choosePassword(await recovery.mailedLink(email));
    expect(done.html).toContain('<a class="primary" href="/account"');
  });

  test('proves the address, and ends the codes that are on their way', async () => {
    const email = recovery.newAddress();
    const user = await recovery.app.createUser({ email, emailVerified: false });
    await choosePassword(await recovery.mailedLink(email));
    const row = await db()('users').where({ id: user.id }).first();
    expect(row?.email_verified_at).not.toBeNull();
    const events = await db()('audit_events').where({ user_id: user.id, type: 'email.verified' });
    expect(events).toHaveLength(1);
    const open = await db()('one_time_codes').where({ user_id: user.id, used_at: null });
    expect(open).toEqual([]);
  });

  test('is of no use once the account has another address or is suspended', async () => {
    const { email, user } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    await db()('users')
      .where({ id: user.id })
      .update({ email: `moved-${email}` });
    expect((await createVisitor().open(link)).status).toBe(400);
    await db()('users').where({ id: user.id }).update({ email, status: 'suspended' });
    expect((await createVisitor().open(link)).status).toBe(400);
  });
});
