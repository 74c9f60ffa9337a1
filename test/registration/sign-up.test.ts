import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';
import { alertText, createVisitor, findForm, pageName } from '../support/visitor.ts';
import {
  NEW_PASSWORD,
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
  usersWith,
} from './registration-app.ts';

let app: RegistrationApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startRegistrationApp({
    TERMS_URL: 'https://example.com/terms',
    PRIVACY_URL: 'https://example.com/privacy',
  });
  await app.createUser();
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

const fill = (email: string) => ({ ...signUpForm(email), terms: 'yes' });

describe('signing up', () => {
  test('leads from the sign-in page over a mailed code back to the app, signed in', async () => {
    const visitor = createVisitor();
    const request = await party.authorize({ scope: 'openid profile email', ui_locales: 'de' });
    const login = await visitor.open(request.url);
    expect(pageName(login)).toBe('login');
    const href = /<a href="([^"]+\/register)"/.exec(login.html)?.[1] ?? '';
    const register = await visitor.open(new URL(href, login.url).href);
    expect(pageName(register)).toBe('register');
    expect(register.html).toContain('href="https://example.com/terms" target="_blank"');
    expect(register.html).toContain('href="https://example.com/privacy" target="_blank"');
    expect(register.html).toContain('autocomplete="new-password"');

    const verify = await visitor.submit(register, '/register', fill('Grace@EXAMPLE.com'));
    expect(pageName(verify)).toBe('verify-email');
    expect(verify.html).toContain('Grace@example.com');
    expect(verify.html).toContain('autocomplete="one-time-code"');
    expect(verify.html).toContain('inputmode="numeric"');
    expect(await usersWith(app, 'grace@example.com')).toEqual([]);

    const mail = await app.mailbox.waitFor('Grace@example.com');
    expect(mail.subject).toContain('Code');
    expect(linkIn(mail)).toMatch(
      new RegExp(`^${app.issuer}/interaction/[^/]+/verify-email\\?link=`),
    );
    const code = codeIn(mail);
    const typed = `${code.slice(0, 4)} ${code.slice(4)}`;
    const back = await visitor.submit(verify, '/verify-email', { code: typed }, CALLBACK);
    const tokens = await request.redeem(back.url);
    const [user] = await usersWith(app, 'grace@example.com');
    expect(tokens.claims()).toMatchObject({
      sub: user?.id,
      email: 'Grace@example.com',
      email_verified: true,
      given_name: 'Grace',
      family_name: 'Hopper',
      name: 'Grace Hopper',
      amr: ['pwd'],
    });
    expect(user).toMatchObject({ administrator: false, status: 'active', locale: 'de' });
    expect(user?.terms_accepted_at).toBeInstanceOf(Date);
    const [used] = await app.runtime.deps
      .db('one_time_codes')
      .where({ address: 'Grace@example.com' });
    expect(used).toMatchObject({ data: {}, used_at: expect.any(Date) });

    const events = await app.runtime.deps
      .db('audit_events')
      .where({ user_id: user?.id as string })
      .orderBy('id')
      .pluck('type');
    expect(events).toEqual(['user.created', 'user.signed_up', 'sign_in.succeeded']);

    const again = await createVisitor().signIn(authorizationUrl(app, app.clientId), CALLBACK, {
      identifier: 'grace@example.com',
      password: NEW_PASSWORD,
    });
    expect(again.url).toContain('code=');
  });

  test('is what prompt=create begins with, as discovery says', async () => {
    expect(party.config.serverMetadata().prompt_values_supported).toContain('create');
    const visitor = createVisitor();
    const request = await party.authorize({ prompt: 'create', login_hint: 'alan@example.com' });
    const register = await visitor.open(request.url);
    expect(pageName(register)).toBe('register');
    expect(register.html).toContain('value="alan@example.com"');
    const verify = await visitor.submit(register, '/register', fill('alan@example.com'));
    const code = codeIn(await app.mailbox.waitFor('alan@example.com'));
    const back = await visitor.submit(verify, '/verify-email', { code }, CALLBACK);
    const tokens = await request.redeem(back.url);
    expect(tokens.claims()?.sub).toBe((await usersWith(app, 'alan@example.com'))[0]?.id);
  });

  test('makes another account for a person who is signed in and is asked to create one', async () => {
    const visitor = createVisitor();
    await party.signIn({}, { visitor });
    const request = await party.authorize({ prompt: 'create' });
    const register = await visitor.open(request.url, CALLBACK);
    expect(pageName(register)).toBe('register');
    const verify = await visitor.submit(register, '/register', fill('second@example.com'));
    const code = codeIn(await app.mailbox.waitFor('second@example.com'));
    const back = await visitor.submit(verify, '/verify-email', { code }, CALLBACK);
    const tokens = await request.redeem(back.url);
    expect(tokens.claims()?.sub).toBe((await usersWith(app, 'second@example.com'))[0]?.id);
  });

  test('can be turned into signing in, which keeps the address that was typed', async () => {
    const visitor = createVisitor();
    const request = await party.authorize({ prompt: 'create' });
    const register = await visitor.open(request.url);
    const again = await visitor.submit(register, '/register', {
      ...fill('ada@example.com'),
      new_password: 'short',
    });
    expect(pageName(again)).toBe('register');
    const href = /<a href="([^"]+\/login)"/.exec(again.html)?.[1] ?? '';
    const login = await visitor.open(new URL(href, again.url).href);
    expect(pageName(login)).toBe('login');
    expect(login.html).toContain('value="ada@example.com"');
    const wrong = await visitor.submit(login, '/login', {
      identifier: 'ada@example.com',
      password: 'not-this-one-at-all',
    });
    expect(alertText(wrong)).toContain('Wrong email');
    const back = await visitor.signIn(wrong.url, CALLBACK);
    expect((await request.redeem(back.url)).claims()?.sub).toBeTypeOf('string');
  });

  test('in the middle of it, a wrong password on the sign-in page is shown there', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const verify = await visitor.submit(register, '/register', fill('middle@example.com'));
    const base = verify.url.replace(/\/verify-email$/, '');
    const login = await visitor.open(`${base}/login`);
    const credentials = { identifier: 'ada@example.com', password: 'not-this-one-at-all' };
    const wrong = await visitor.submit(login, '/login', credentials);
    expect(pageName(wrong)).toBe('login');
    expect(alertText(wrong)).toContain('Wrong email');
    expect(pageName(await visitor.open(base))).toBe('verify-email');
  });
});

describe('what was typed', () => {
  test.each([
    ['no address', { email: '' }, 'Enter your email address'],
    ['no address at all', { email: 'grace' }, 'not an email address'],
    ['two addresses', { email: 'a@b.example,c@d.example' }, 'not an email address'],
    ['header lines', { email: 'a@b.example\r\nBcc: c@d.example' }, 'not an email address'],
    ['no agreement', { terms: '' }, 'agree to the terms'],
    ['a short password', { new_password: 'a-few-7x' }, 'at least 15'],
    ['a common password', { new_password: 'passwordpassword' }, 'easy to guess'],
    ['their own names', { new_password: 'Grace.Hopper.2026' }, 'your name'],
    ['their own address', { new_password: 'example new.person .com' }, 'your email address'],
    ['no password', { new_password: '' }, 'at least 15'],
    ['too much password', { new_password: 'x1-'.repeat(100) }, 'at most 256'],
  ])('%s is refused in words, and kept but for the password', async (_name, change, words) => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const form: Record<string, string> = { ...fill('new.person@example.com'), ...change };
    const again = await visitor.submit(register, '/register', form);
    expect(pageName(again)).toBe('register');
    expect(alertText(again)).toContain(words);
    expect(again.html).toContain('aria-invalid="true"');
    expect(again.html).toContain('value="Hopper"');
    if (form.terms === 'yes') expect(again.html).toMatch(/name="terms"[^>]* checked/);
    if (form.new_password) expect(again.html).not.toContain(form.new_password);
    expect(await usersWith(app, 'new.person@example.com')).toEqual([]);
    expect(app.mailbox.tries('new.person@example.com')).toBe(0);
  });

  test('can be changed for another address after the mail was sent', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const verify = await visitor.submit(register, '/register', fill('typo@example.com'));
    const href = /<a[^>]* href="([^"]+\/register)"/.exec(verify.html)?.[1] ?? '';
    const change = await visitor.open(new URL(href, verify.url).href);
    expect(pageName(change)).toBe('register');
    expect(change.html).toContain('value="typo@example.com"');
    expect(change.html).toContain('value="Grace"');
    const next = await visitor.submit(change, '/register', fill('right@example.com'));
    expect(next.html).toContain('right@example.com');
    const old = codeIn(await app.mailbox.waitFor('typo@example.com'));
    const refused = await visitor.submit(next, '/verify-email', { code: old });
    expect(alertText(refused)).toContain('not right');
    const code = codeIn(await app.mailbox.waitFor('right@example.com'));
    const back = await visitor.submit(refused, '/verify-email', { code }, CALLBACK);
    expect(back.url).toContain('code=');
    expect(await usersWith(app, 'typo@example.com')).toEqual([]);
  });

  test('security 25: protected fields change nothing', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const verify = await visitor.submit(register, '/register', {
      ...fill('mallory@example.com'),
      administrator: 'true',
      status: 'suspended',
      email_verified: 'true',
      email_verified_at: '2020-01-01',
      id: '00000000-0000-7000-8000-000000000000',
      hash: 'x',
      refused: 'false',
      username: 'root',
      locale: 'xx',
    });
    expect(await usersWith(app, 'mallory@example.com')).toEqual([]);
    const code = codeIn(await app.mailbox.waitFor('mallory@example.com'));
    const fields = { code, administrator: 'true', address: 'ada@example.com', userId: 'x' };
    const back = await visitor.submit(verify, '/verify-email', fields, CALLBACK);
    expect(back.url).toContain('code=');
    const [user] = await usersWith(app, 'mallory@example.com');
    expect(user).toMatchObject({
      administrator: false,
      status: 'active',
      username: null,
      locale: 'en',
      metadata: {},
    });
    expect(user?.email_verified_at).toSatisfy((at: Date) => at.getUTCFullYear() > 2020);
    expect(user?.id).not.toBe('00000000-0000-7000-8000-000000000000');
  });

  test('security 26: NUL bytes and repeated fields are refused', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    for (const extra of ['email=a%00@example.com', 'email=a@example.com&email=b@example.com']) {
      const { action, hidden } = findForm(register, '/register');
      const response = await visitor.request(action, {
        method: 'POST',
        body: `${new URLSearchParams(hidden)}&${extra}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      expect(response.status).toBe(400);
    }
  });
});
