import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, startApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, findForm, pageName } from '../support/visitor.ts';
import { type RecoveryApp, startRecoveryApp } from './recovery-app.ts';

let recovery: RecoveryApp;

beforeAll(async () => {
  recovery = await startRecoveryApp();
});
afterAll(() => recovery.stop());

const db = () => recovery.app.runtime.deps.db;

describe('asking for the link', () => {
  test.each([
    ['an account that is suspended', 'suspended'],
    ['an account without an address', 'no address'],
    ['nobody', 'nobody'],
  ])('mails nothing for %s and says the same', async (_, kind) => {
    const email = recovery.newAddress();
    const username = `user-${email.split('@')[0]}`;
    if (kind === 'no address') await recovery.app.createUser({ email: undefined, username });
    if (kind === 'suspended') {
      const user = await recovery.app.createUser({ email, username });
      await db()('users').where({ id: user.id }).update({ status: 'suspended' });
    }
    const { page } = await recovery.forget(username);
    expect(pageName(page)).toBe('reset-password-sent');
    expect(page.html).toContain(username);
    // Later jobs don't overtake: what follows has arrived, so this would have.
    const { email: other } = await recovery.createPerson();
    await recovery.mailedLink(other);
    expect(recovery.mailbox.tries(email)).toBe(0);
    const codes = await db()('one_time_codes')
      .where({ purpose: 'reset-password' })
      .whereRaw('lower(address) = ?', [username]);
    expect(codes).toMatchObject([{ user_id: null, code_hash: null }]);
  });

  test('again is confirmed, and kills the link before', async () => {
    const { email, user } = await recovery.createPerson();
    const { visitor, page } = await recovery.forget(email);
    const first = linkIn(await recovery.mailbox.waitFor(email));
    await db()('one_time_codes')
      .where({ user_id: user.id })
      .update({ created_at: db().raw("now() - interval '1 minute'") });
    const after = recovery.mailbox.messages.length;
    const again = await visitor.submit(page, '/reset-password');
    expect(pageName(again)).toBe('reset-password-sent');
    expect(again.html).toContain('role="status"');
    const second = linkIn(await recovery.mailbox.waitFor(email, { after }));
    expect((await visitor.open(first)).status).toBe(400);
    expect((await visitor.open(second)).status).toBe(200);
  });

  test('security 34: ten times at once mails once and leads to one place', async () => {
    const { email, user } = await recovery.createPerson();
    const { visitor, page } = await recovery.openSignIn();
    const asking = await visitor.open(`${page.url}/reset-password`);
    const { action, hidden } = findForm(asking, '/reset-password');
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const body = new URLSearchParams({ ...hidden, identifier: email });
        const answer = await visitor.request(action, { method: 'POST', body });
        return `${answer.status} ${answer.headers.get('location')}`;
      }),
    );
    expect([...new Set(answers)]).toEqual([`303 ${new URL(page.url).pathname}`]);
    const asked = { user_id: user.id, type: 'password.reset_requested' };
    expect(await db()('audit_events').where(asked)).toHaveLength(1);
    await recovery.mailbox.waitFor(email);
    expect(pageName(await visitor.open(page.url))).toBe('reset-password-sent');
  });

  test.each(['known', 'unknown'])('too often says how long to wait: %s', async (kind) => {
    const email = recovery.newAddress();
    if (kind === 'known') await recovery.app.createUser({ email });
    for (let time = 0; time < 5; time += 1) {
      const { page } = await recovery.forget(email);
      expect(pageName(page)).toBe('reset-password-sent');
    }
    await recovery.forget(email);
    const { page, visitor } = await recovery.forget(email);
    expect(pageName(page)).toBe('reset-password');
    expect(alertText(page)).toMatch(/Too many mails were asked for\. Wait \d+ seconds?, then/);
    // Somebody else may ask meanwhile.
    const other = await visitor.submit(page, '/reset-password', {
      identifier: recovery.newAddress(),
    });
    expect(pageName(other)).toBe('reset-password-sent');
  });

  test('is not kept from somebody by a stranger who asks all day', async () => {
    const { email } = await recovery.createPerson();
    const own = createVisitor();
    await recovery.signIn(email, PASSWORD, own);
    for (let time = 0; time < 7; time += 1) await recovery.forget(email);
    expect(alertText((await recovery.forget(email)).page)).toContain('Too many');
    expect(pageName((await recovery.forget(email, own)).page)).toBe('reset-password-sent');
  });

  test('is not offered where there is no mail', async () => {
    const silent = await startApp();
    const { client } = await silent.createClient();
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(silent, client.id));
    expect(page.html).not.toMatch(/reset-password|email-code/);
    expect(pageName(await visitor.open(`${page.url}/reset-password`))).toBe('login');
    const { hidden } = findForm(page, '/login');
    for (const form of ['reset-password', 'email-code', 'code']) {
      const body = new URLSearchParams({ ...hidden, identifier: 'ada@example.com' });
      const answer = await visitor.request(`${page.url}/${form}`, { method: 'POST', body });
      expect(answer.status).toBe(404);
    }
    await silent.stop();
  });
});
