import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  forgetThrottles,
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
} from '../registration/registration-app.ts';
import { recordStatements } from '../support/statements.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: RegistrationApp;

beforeAll(async () => {
  app = await startRegistrationApp({ TERMS_URL: 'https://example.com/terms' });
  await app.createUser();
  await app.createUser({ email: 'suspended@example.com' });
  await app.createUser({ email: 'invited@example.com', emailVerified: false });
  const { db } = app.runtime.deps;
  const byEmail = (email: string) => db('users').where({ email });
  await byEmail('suspended@example.com').update({ status: 'suspended' });
  await db('passwords').whereIn('user_id', byEmail('invited@example.com').select('id')).delete();
});
afterAll(() => app.stop());

/** All that a form's answer says, and the statements that the server ran for it. */
async function observe(visitor: Visitor, page: Page, form: string, fields = {}) {
  const { action, hidden } = findForm(page, form);
  const { result: response, statements } = await recordStatements(app.runtime.deps.db, async () => {
    const answer = await visitor.request(action, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, ...fields }),
    });
    await answer.arrayBuffer();
    return answer;
  });
  const location = response.headers.get('location') ?? '';
  const next = await visitor.open(new URL(location, app.issuer).href);
  const names = [...response.headers.keys()].filter((name) => name !== 'date').sort();
  const seen = {
    status: response.status,
    location: location.replace(/interaction\/[\w-]+/, 'interaction/UID'),
    names,
    html: next.html
      .replace(/interaction\/[\w-]+/g, 'interaction/UID')
      .replace(/[\w.]+@example\.com/gi, 'ADDRESS')
      .replace(/(nonce|value)="[^"]{20,}"/g, '$1=""'),
    statements,
  };
  return { seen, next };
}

/** Signing up with an address, a wrong code, and asking for another. */
async function tryAddress(email: string) {
  await forgetThrottles(app);
  const visitor = createVisitor();
  const page = await openSignUp(app, visitor);
  const fields = { ...signUpForm(email), terms: 'yes' };
  const register = await observe(visitor, page, '/register', fields);
  expect(pageName(register.next)).toBe('verify-email');
  const code = await observe(visitor, register.next, '/verify-email', { code: '1234567' });
  const resend = await observe(visitor, code.next, '/resend-sign-up');
  return [register.seen, code.seen, resend.seen];
}

describe('security 9: nobody learns by signing up who has an account', () => {
  test.each(['ada@example.com', 'ADA@example.com', 'suspended@example.com', 'invited@example.com'])(
    'security 9: %s gets what an unknown address gets, for the same work',
    async (email) => {
      const unknown = await tryAddress('nobody.yet@example.com');
      expect(unknown[0]?.statements.length).toBeGreaterThan(5);
      expect(await tryAddress(email)).toEqual(unknown);
    },
  );

  test('security 9: what is wrong with a form doesn’t depend on whose address it has', async () => {
    const wrong = async (email: string) => {
      const visitor = createVisitor();
      const page = await openSignUp(app, visitor);
      const fields = { ...signUpForm(email), new_password: 'a-few-7x', terms: 'yes' };
      return (await observe(visitor, page, '/register', fields)).seen;
    };
    expect(await wrong('ada@example.com')).toEqual(await wrong('nobody.yet@example.com'));
  });
});
