import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK } from '../support/app.ts';
import { createVisitor, findForm, pageName } from '../support/visitor.ts';
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

describe('the form behind the link', () => {
  test('security 34: sent ten times at once sets one password and leads to one place', async () => {
    const { email, user } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    const { action, hidden } = findForm(page, new URL(link).pathname);
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const body = new URLSearchParams({ ...hidden, new_password: NEW_PASSWORD });
        const answer = await visitor.request(action, { method: 'POST', body });
        return `${answer.status} ${answer.headers.get('location')}`;
      }),
    );
    expect([...new Set(answers)]).toEqual([`303 ${new URL(link).pathname}/done`]);
    const set = await db()('audit_events').where({ user_id: user.id, type: 'password.set' });
    // The first password, and this one.
    expect(set).toHaveLength(2);
  });

  test('is answered by any replica, and by one of two that race', async () => {
    const { email } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const replica = await recovery.app.startReplica();
    const visitor = createVisitor();
    const page = await visitor.open(link);
    const { action, hidden } = findForm(page, new URL(link).pathname);
    const passwords = [NEW_PASSWORD, 'granite-pelican-whispers-5'];
    const [here = 0, there = 0] = await Promise.all(
      passwords.map(async (new_password, index) => {
        const url = index === 0 ? action : action.replace(/:\d+/, `:${replica.port}`);
        const body = new URLSearchParams({ ...hidden, new_password });
        return (await visitor.request(url, { method: 'POST', body })).status;
      }),
    );
    expect([here, there].sort()).toEqual([303, 400]);
    const works = await Promise.all(
      passwords.map(async (password) =>
        (await recovery.signIn(email, password)).url.startsWith(CALLBACK),
      ),
    );
    expect(works).toEqual([here === 303, there === 303]);
    await replica.stop();
  });

  test.each([
    ['without its token', {}, 403],
    ['with another token', { csrf: 'x'.repeat(43) }, 403],
    ['with a NUL byte', { new_password: 'violet\0kettle-orbits-42' }, 400],
  ])('security 10: %s is refused', async (_, fields, status) => {
    const { email } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const answer = await createVisitor().request(link, {
      method: 'POST',
      body: new URLSearchParams({ new_password: NEW_PASSWORD, ...fields }),
    });
    expect(answer.status).toBe(status);
    expect(pageName(await choosePassword(link))).toBe('reset-password-done');
  });

  test('changes nothing but the password, whatever else is sent', async () => {
    const { email, user } = await recovery.createPerson();
    const link = await recovery.mailedLink(email);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    await visitor.submit(page, new URL(link).pathname, {
      new_password: NEW_PASSWORD,
      email: 'mallory@example.com',
      user_id: '00000000-0000-0000-0000-000000000000',
      administrator: 'true',
    });
    const row = await db()('users').where({ id: user.id }).first();
    expect(row).toMatchObject({ email, administrator: false, username: null });
    expect((await recovery.signIn(email, NEW_PASSWORD)).url).toContain(CALLBACK);
  });
});
