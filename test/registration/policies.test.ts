import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { createCsrf } from '../../src/http/csrf.ts';
import { createDomainRule } from '../../src/registration/domain-rule.ts';
import { createFormStamp } from '../../src/registration/form-stamp.ts';
import { inviteUser } from '../../src/registration/invite-user.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';
import {
  forgetThrottles,
  mailsToSend,
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
  usersWith,
} from './registration-app.ts';

const uidOf = (page: Page) => new URL(page.url).pathname.split('/')[2] ?? '';

const rule = (policy: 'open' | 'domains', domains: string[], blockedDomains: string[]) =>
  createDomainRule({ policy, domains, blockedDomains, minSeconds: 0 });

describe('which addresses may sign up', () => {
  const open = rule('open', [], ['throwaway.example', 'mail.bad.example']);
  const domains = rule('domains', ['example.com', 'xn--mller-kva.example'], ['example.com.evil']);
  test.each([
    [open, 'ada@example.com', true],
    [open, 'ada@throwaway.example', false],
    [open, 'ada@box7.eu.throwaway.example', false],
    [open, 'ada@notthrowaway.example', true],
    [open, 'ada@bad.example', true],
    [open, 'ada@mail.bad.example', false],
    [open, 'ada@throwaway.example.org', true],
    [domains, 'ada@example.com', true],
    [domains, 'ada@xn--mller-kva.example', true],
    [domains, 'ada@students.example.com', false],
    [domains, 'ada@example.org', false],
    [domains, 'ada@example.com.evil', false],
    [rule('domains', ['a.example'], ['example']), 'ada@a.example', false],
  ])('%#: %o says of %s: %s', ({ allows }, email, expected) => {
    expect(allows(email)).toBe(expected);
  });
});

describe('a form of signing up', () => {
  let app: RegistrationApp;

  beforeAll(async () => {
    app = await startRegistrationApp({
      SIGN_UP: 'domains',
      SIGN_UP_DOMAINS: 'example.com, xn--mller-kva.example',
      SIGN_UP_BLOCKED_DOMAINS: 'spam.example.com',
      SIGN_UP_MIN_SECONDS: '2',
    });
    await app.createUser();
  });
  beforeEach(() => forgetThrottles(app));
  afterAll(() => app.stop());

  /** The sign-up page as if it had been shown that many seconds ago. */
  async function openEarlier(seconds: number): Promise<{ visitor: Visitor; page: Page }> {
    const visitor = createVisitor();
    const page = await openSignUp(app, visitor);
    const shown = app.runtime.deps.now().getTime() - seconds * 1000;
    const csrf = createCsrf(app.runtime.keyring.csrf, app.issuer);
    const stamp = createFormStamp(csrf, () => new Date(shown)).make(uidOf(page));
    const html = page.html.replace(/name="stamp" value="[^"]*"/, `name="stamp" value="${stamp}"`);
    return { visitor, page: { ...page, html } };
  }

  test.each([
    ['grace@example.org', 'can’t be used here'],
    ['grace@box.spam.example.com', 'can’t be used here'],
    ['ada@elsewhere.example', 'can’t be used here'],
  ])('is refused for %s, whoever that is', async (email, words) => {
    const { visitor, page } = await openEarlier(10);
    const again = await visitor.submit(page, '/register', signUpForm(email));
    expect(pageName(again)).toBe('register');
    expect(alertText(again)).toContain(words);
    expect(again.html).toContain(`value="${email}"`);
  });

  test('is taken for a domain that is allowed, however it is written', async () => {
    const { visitor, page } = await openEarlier(10);
    const verify = await visitor.submit(page, '/register', signUpForm('grace@MÜLLER.example'));
    expect(pageName(verify)).toBe('verify-email');
    await app.mailbox.waitFor('grace@xn--mller-kva.example');
  });

  test('isn’t what somebody of another domain needs who was invited', async () => {
    const invited = await invite(app, 'guest@elsewhere.example');
    expect(invited).toMatchObject({ ok: true, mailed: false });
    const page = await createVisitor().open(invited.ok ? invited.url : '');
    expect(pageName(page)).toBe('invitation');
  });

  test('sent faster than a person types is asked for once more', async () => {
    const visitor = createVisitor();
    const page = await openSignUp(app, visitor);
    const again = await visitor.submit(page, '/register', signUpForm('fast@example.com'));
    expect(pageName(again)).toBe('register');
    expect(alertText(again)).toContain('once more');
    expect(again.html).toContain('value="fast@example.com"');
    expect(again.html).toContain('value="Hopper"');
    expect(again.html).not.toContain(signUpForm('').new_password);
    const codes = await app.runtime.deps
      .db('one_time_codes')
      .where({ address: 'fast@example.com' });
    expect(codes).toEqual([]);
  });

  test('older than its sign-in is asked for once more', async () => {
    const { visitor, page } = await openEarlier(app.config.ttl.interaction + 60);
    const again = await visitor.submit(page, '/register', signUpForm('slow@example.com'));
    expect(alertText(again)).toContain('once more');
  });

  test.each([
    ['none', undefined],
    ['a later time', (stamp: string) => stamp.replace(/^\d/, '0')],
    ['no signature', (stamp: string) => stamp.split('.')[0]],
    ['words', () => 'yesterday.yes'],
  ])('with %s for a stamp is no form of ours', async (_name, forge) => {
    const { visitor, page } = await openEarlier(10);
    const { hidden, action } = findForm(page, '/register');
    const stamp = forge?.(hidden.stamp ?? '') ?? '';
    const body = new URLSearchParams({ ...hidden, ...signUpForm('forger@example.com'), stamp });
    const response = await visitor.request(action, { method: 'POST', body });
    expect(response.status).toBe(403);
  });

  test('with another sign-in’s stamp is no form of ours', async () => {
    const { page: other } = await openEarlier(10);
    const { visitor, page } = await openEarlier(10);
    const { stamp = '' } = findForm(other, '/register').hidden;
    const refused = await visitor.submit(page, '/register', {
      ...signUpForm('a@example.com'),
      stamp,
    });
    expect(refused.status).toBe(403);
  });

  test('filled in where nobody can see gets the same page, and nothing comes of it', async () => {
    const bodies: string[] = [];
    for (const extra of [{}, { homepage: 'https://spam.example' }]) {
      const { visitor, page } = await openEarlier(10);
      expect(page.html).toMatch(/aria-hidden="true">\s*<label for="homepage"/);
      expect(page.html).toMatch(/name="homepage"[^>]*tabindex="-1" autocomplete="off"/);
      const verify = await visitor.submit(page, '/register', {
        ...signUpForm('bot@example.com'),
        ...extra,
      });
      expect(verify.status).toBe(200);
      expect(pageName(verify)).toBe('verify-email');
      bodies.push(
        verify.html
          .replace(/(value|nonce)="[^"]*"/g, '')
          .replace(/interaction\/[\w-]+/g, 'interaction/UID'),
      );
    }
    expect(bodies[1]).toBe(bodies[0]);
    const events = await app.runtime.deps.db('audit_events').where({ type: 'sign_up.refused' });
    expect(events).toMatchObject([{ data: { reason: 'honeypot' }, client_id: app.clientId }]);
    const [code] = await app.runtime.deps
      .db('one_time_codes')
      .where({ address: 'bot@example.com', code_hash: null });
    expect(code).toMatchObject({ data: { refused: true } });
    await app.mailbox.waitFor('bot@example.com');
    // Queued after the mail that wasn't sent, so that one would be here by now.
    await expect.poll(() => mailsToSend(app)).toBe(0);
    expect(app.mailbox.tries('bot@example.com')).toBe(1);
    expect(await usersWith(app, 'bot@example.com')).toEqual([]);
  });
});

test('closed, an installation neither signs people up nor invites them', async () => {
  const closed = await startApp({ SIGN_UP: 'closed' });
  try {
    const { client } = await closed.createClient();
    const visitor = createVisitor();
    const login = await visitor.open(authorizationUrl(closed, client.id));
    expect(login.html).not.toContain('/register');
    expect(pageName(await visitor.open(`${login.url}/register`))).toBe('login');
    expect(await invite(closed, 'guest@example.com')).toEqual({ ok: false, reason: 'closed' });
    // Links from before it was closed, too.
    const link = await invite(closed, 'guest@example.com', 'open');
    const page = await visitor.open(link.ok ? link.url : '');
    expect(page.status).toBe(404);
  } finally {
    await closed.stop();
  }
});

/** Asks for an invitation, as an installation with this policy would. */
function invite(app: TestApp, email: string, policy = app.config.signUp.policy) {
  const { deps, keyring } = app.runtime;
  const codes = { keys: keyring.codes, randomBytes: deps.randomBytes };
  const mailer = { enabled: false, queue: async () => {} };
  const parts = { codes, mailer, issuer: app.issuer, signUp: { policy } };
  return transaction(deps.db, (trx) => inviteUser(trx, parts, { actor: 'cli:test' }, { email }));
}
