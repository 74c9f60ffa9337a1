import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { hashNewPassword, setPassword } from '../../src/password/set-password.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

test('security 8: a password that is replaced while it is being checked signs nobody in', async () => {
  const user = await app.createUser();
  const { client } = await app.createClient();
  const { db } = app.runtime.deps;
  const next = 'copper-lantern-drifts-77';
  const hash = await hashNewPassword(app.hasher, next);
  const waiting = async () => {
    const { rows } = await db.raw(
      `SELECT FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event_type = 'Lock' AND query LIKE '%passwords%'`,
    );
    return rows.length;
  };
  const url = authorizationUrl(app, client.id);
  const visitor = createVisitor();
  const thief = await transaction(db, async (trx) => {
    await setPassword(trx, SYSTEM, user, hash);
    // The one before is what the server still sees.
    const signIn = visitor.signIn(url, CALLBACK);
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    return { signIn };
  });
  const page = await thief.signIn;
  expect(pageName(page)).toBe('login');
  expect(page.html).toContain('role="alert"');
  expect(await db('oidc_sessions').where({ account_id: user.id })).toEqual([]);
  const owner = await createVisitor().signIn(url, CALLBACK, { password: next });
  expect(owner.url).toContain('code=');
});
