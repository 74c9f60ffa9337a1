import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CALLBACK } from '../support/app.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import {
  forgetThrottles,
  mailsToSend,
  openSignUp,
  post,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
  usersWith,
} from './registration-app.ts';

const TIMES = 20;

let app: RegistrationApp;
/** Two servers on one database, as sign-up forms reach them by turns. */
let origins: string[];

beforeAll(async () => {
  app = await startRegistrationApp();
  const replica = await app.startReplica();
  origins = [app.issuer, `http://localhost:${replica.port}`];
});
beforeEach(() => forgetThrottles(app));
afterAll(() => app.stop());

const times = <T>(make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: TIMES }, (_, index) => make(index)));

const via = (url: string, index: number) =>
  url.replace(app.issuer, origins[index % origins.length] ?? '');

const pathOf = (page: Page) => page.url.replace(/\/[a-z-]+$/, '');

const signedUp = async () =>
  (await app.runtime.deps.db('audit_events').where({ type: 'user.signed_up' })).length;

test('20 people who sign up with one address at once make one user', async () => {
  const email = 'wanted@example.com';
  const people = await times(async () => {
    const visitor = createVisitor();
    return { visitor, page: await openSignUp(app, visitor) };
  });
  const before = await signedUp();
  const sent = await Promise.all(
    people.map(({ visitor, page }, index) => {
      const { hidden } = findForm(page, '/register');
      return post(visitor, via(page.url, index), { ...hidden, ...signUpForm(email) });
    }),
  );
  expect(sent.map(({ status }) => status)).toEqual(people.map(() => 303));
  // The first mails go out, each with a code that replaces the one before; the others have to wait.
  await expect.poll(() => mailsToSend(app)).toBe(0);
  expect(app.mailbox.tries(email)).toBeGreaterThan(4);
  const codes = new Map(
    app.mailbox.messages.map((mail) => [new URL(linkIn(mail)).pathname, codeIn(mail)]),
  );
  const tried = await Promise.all(
    people.map(async ({ visitor, page }, index) => {
      const action = `${pathOf(page)}/verify-email`;
      const code = codes.get(new URL(action).pathname) ?? '12345678';
      const { hidden } = findForm(page, '/register');
      return post(visitor, via(action, index), { csrf: hidden.csrf ?? '', code });
    }),
  );
  expect(tried.map(({ status }) => status)).toEqual(people.map(() => 303));
  expect(await usersWith(app, email)).toHaveLength(1);
  expect(await signedUp()).toBe(before + 1);
  const ends = await Promise.all(
    people.map(({ visitor }, index) => {
      const url = new URL(tried[index]?.location ?? '', app.issuer).href;
      return visitor.open(url.replace(origins[1] ?? '', app.issuer), CALLBACK);
    }),
  );
  expect(ends.filter(({ url }) => url.startsWith(`${CALLBACK}?code=`))).toHaveLength(1);
  for (const page of ends.filter(({ html }) => html !== '')) {
    expect(pageName(page)).toBe('register');
    expect(alertText(page)).toContain('once more');
  }
});

test('20 tries of one right code at two servers make one user and lead to one place', async () => {
  const email = 'hasty@example.com';
  const visitor = createVisitor();
  const verify = await visitor.submit(
    await openSignUp(app, visitor),
    '/register',
    signUpForm(email),
  );
  const code = codeIn(await app.mailbox.waitFor(email));
  const { hidden } = findForm(verify, '/verify-email');
  const action = `${verify.url.replace(/\/verify-email$/, '')}/verify-email`;
  const done = await times((index) => post(visitor, via(action, index), { ...hidden, code }));
  const places = new Set(done.map(({ location }) => location.replace(/^https?:\/\/[^/]+/, '')));
  expect(places.size).toBe(1);
  expect(new Set(done.map(({ status }) => status))).toEqual(new Set([303]));
  expect(await usersWith(app, email)).toHaveLength(1);
  const back = await visitor.open(new URL([...places][0] ?? '', app.issuer).href, CALLBACK);
  expect(back.url).toContain('code=');
});

test('20 presses of the link’s button make one user and lead to one place', async () => {
  const email = 'clicker@example.com';
  const visitor = createVisitor();
  await visitor.submit(await openSignUp(app, visitor), '/register', signUpForm(email));
  const page = await visitor.open(linkIn(await app.mailbox.waitFor(email)));
  const { action, hidden } = findForm(page, '/verify-email');
  const done = await times((index) => post(visitor, via(action, index), hidden));
  expect(new Set(done.map(({ location }) => new URL(location, app.issuer).pathname)).size).toBe(1);
  expect(await usersWith(app, email)).toHaveLength(1);
});

test('an address that got an account meanwhile leads to signing in', async () => {
  const email = 'overtaken@example.com';
  const visitor = createVisitor();
  const verify = await visitor.submit(
    await openSignUp(app, visitor),
    '/register',
    signUpForm(email),
  );
  const code = codeIn(await app.mailbox.waitFor(email));
  const user = await app.createUser({ email: 'Overtaken@example.com' });
  const taken = await visitor.submit(verify, '/verify-email', { code });
  expect(taken.status).toBe(200);
  expect(pageName(taken)).toBe('verify-email');
  expect(alertText(taken)).toContain('Sign in');
  expect(await usersWith(app, email)).toHaveLength(1);
  const again = await visitor.submit(verify, '/verify-email', { code });
  expect(alertText(again)).toContain('Sign in');

  const href = /<a class="primary" href="([^"]+)"/.exec(taken.html)?.[1] ?? '';
  const login = await visitor.open(new URL(href, taken.url).href);
  expect(pageName(login)).toBe('login');
  expect(login.html).toContain(`value="${email}"`);
  const back = await visitor.signIn(login.url, CALLBACK, { identifier: email });
  expect(back.url).toContain('code=');
  const events = await app.runtime.deps.db('audit_events').where({ user_id: user.id });
  expect(events.map(({ type }) => type)).not.toContain('user.signed_up');
});

test('20 sign-ups whose codes all work at once make one user', async () => {
  const email = 'crowded@example.com';
  const people = await times(async (index) => {
    const visitor = createVisitor();
    const page = await openSignUp(app, visitor);
    // An address of their own until the code is out, so that none replaces another's.
    await visitor.submit(page, '/register', signUpForm(`crowd${index}@example.com`));
    const code = codeIn(await app.mailbox.waitFor(`crowd${index}@example.com`));
    return { visitor, page, code };
  });
  await app.runtime.deps
    .db('one_time_codes')
    .whereLike('address', 'crowd%@example.com')
    .update({ address: email });
  const done = await Promise.all(
    people.map(({ visitor, page, code }, index) => {
      const { hidden } = findForm(page, '/register');
      const fields = { csrf: hidden.csrf ?? '', code };
      return post(visitor, via(`${pathOf(page)}/verify-email`, index), fields);
    }),
  );
  expect(done.map(({ status }) => status)).toEqual(people.map(() => 303));
  expect(await usersWith(app, email)).toHaveLength(1);
  const ends = await Promise.all(
    people.map(async ({ visitor, page }) => alertText(await visitor.open(pathOf(page), CALLBACK))),
  );
  expect(ends.filter((text) => text?.includes('Sign in with it'))).toHaveLength(TIMES - 1);
});
