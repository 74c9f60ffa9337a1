import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRegistrationApp } from '../registration/registration-app.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, pageName } from '../support/visitor.ts';
import { giveApp } from './totp-app.ts';

const NEXT_PASSWORD = 'copper-lantern-drifts-77';

let app: Awaited<ReturnType<typeof startRegistrationApp>>;
let without: TestApp;

beforeAll(async () => {
  app = await startRegistrationApp();
  without = await startApp({ MFA_FACTORS: 'passkey' });
});
afterAll(async () => {
  await without.stop();
  await app.stop();
});

test('administrators can’t turn their only second factor off', async () => {
  const email = 'root@example.com';
  const user = await app.createUser({ email, administrator: true });
  const phone = await giveApp(app, user);
  const visitor = createVisitor();
  const login = await visitor.open(`${app.issuer}/account/totp`);
  const asked = await visitor.submit(login, '/login', { identifier: email, password: PASSWORD });
  const page = await visitor.submit(asked, '/totp', { code: phone.code() });
  expect(pageName(page)).toBe('account-totp');
  const refused = await visitor.submit(page, '/totp/remove');
  expect(refused.status).toBe(422);
  expect(alertText(refused)).toContain('your only one');
  expect((await app.runtime.deps.db('users').where({ id: user.id }).first()).factors).toEqual([
    'totp',
  ]);
});

test('no app is set up where apps aren’t allowed, and one from before can go', async () => {
  const email = 'ada@example.com';
  const user = await without.createUser({ email });
  const visitor = createVisitor();
  const login = await visitor.open(`${without.issuer}/account/totp`);
  const page = await visitor.submit(login, '/login', { identifier: email, password: PASSWORD });
  expect(page.html).toContain('can’t be used here');
  expect(page.html).not.toContain('class="key"');
  const { db } = without.runtime.deps;
  expect(await db('totp_enrolments')).toEqual([]);
  await giveApp(without, user);
  const on = await visitor.open(`${without.issuer}/account/totp`);
  await visitor.submit(on, '/totp/remove');
  expect(await db('totp_credentials')).toEqual([]);
});

test('security 8: who resets their password is asked for the code of their app all the same', async () => {
  const email = 'forgetful@example.com';
  const user = await app.createUser({ email });
  const phone = await giveApp(app, user);
  const { client } = await app.createClient();
  const visitor = createVisitor();
  const login = await visitor.open(authorizationUrl(app, client.id));
  const asking = await visitor.open(`${login.url}/reset-password`);
  await visitor.submit(asking, '/reset-password', { identifier: email });
  const link = linkIn(await app.mailbox.waitFor(email));
  const form = await visitor.open(link);
  await visitor.submit(form, new URL(link).pathname, { new_password: NEXT_PASSWORD });
  const again = createVisitor();
  const credentials = { identifier: email, password: NEXT_PASSWORD };
  const asked = await again.signIn(authorizationUrl(app, client.id), CALLBACK, credentials);
  expect(pageName(asked)).toBe('totp');
  const back = await again.submit(asked, '/totp', { code: phone.code() }, CALLBACK);
  expect(back.url).toContain(CALLBACK);
});
