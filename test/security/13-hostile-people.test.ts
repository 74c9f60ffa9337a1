import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { inviteUser } from '../../src/registration/invite-user.ts';
import {
  NEW_PASSWORD,
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
} from '../registration/registration-app.ts';
import { CALLBACK } from '../support/app.ts';
import { codeIn, linkIn, type Message } from '../support/mailbox.ts';
import { createRelyingParty } from '../support/relying-party.ts';
import { createVisitor, type Page, pageName } from '../support/visitor.ts';

const SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{123457*8}}<%= 123457*8 %>';
/** An address that RFC 6531 allows, of nothing but what templates and HTML could mistake. */
const ADDRESS = `{{7*191}}&'$t{login}\`%=x%@example.com`;

let app: RegistrationApp;

beforeAll(async () => {
  app = await startRegistrationApp({ TERMS_URL: 'https://example.com/terms' });
});
afterAll(() => app.stop());

function expectInert(html: string): void {
  const markup = html.replace(/="[^"]*"/g, '=""');
  expect(markup).not.toMatch(/<script>alert|<img|<[^>]+\son\w+=/i);
  expect(html).not.toContain('987656');
  expect(html).not.toContain('1337');
}

/** A mail goes to one address, with the headers that it was meant to have. */
function expectPlain(mail: Message, to: string): void {
  expect(mail.recipients).toEqual([to]);
  expect(mail.cc).toBeUndefined();
  expect(mail.bcc).toBeUndefined();
  expectInert(String(mail.html));
  expect(`${mail.subject}${mail.text}${mail.html}`).not.toMatch(/alert\(1\)|onerror/);
}

test('security 13: names and addresses of people who sign up are text, on pages and in mails', async () => {
  const party = await createRelyingParty(app, { name: SCRIPT });
  const visitor = createVisitor();
  const request = await party.authorize({ scope: 'openid profile email', ui_locales: SCRIPT });
  const login = await visitor.open(request.url);
  const register = await openSignUp({ issuer: app.issuer, clientId: party.client.id }, visitor);
  expectInert(register.html);
  const names = { given_name: SCRIPT, family_name: '\u202egpj.exe\r\nBcc: x@y.example' };
  const refused = await visitor.submit(register, '/register', {
    ...signUpForm(`${SCRIPT}@example.com`),
    ...names,
    terms: 'yes',
  });
  expect(pageName(refused)).toBe('register');
  expect(refused.html).toContain('&lt;script&gt;');
  expectInert(refused.html);

  const page = await visitor.open(`${login.url}/register`);
  const form = { ...signUpForm(ADDRESS), ...names, terms: 'yes' };
  const verify = await visitor.submit(page, '/register', form);
  expect(pageName(verify)).toBe('verify-email');
  expectInert(verify.html);
  const mail = await app.mailbox.waitFor(ADDRESS);
  expectPlain(mail, ADDRESS);
  const again = await visitor.open(`${login.url}/register`);
  expectInert(again.html);

  const fields = { code: codeIn(mail) };
  const back = await visitor.submit(verify, '/verify-email', fields, CALLBACK);
  const claims = (await request.redeem(back.url)).claims();
  expect(claims).toMatchObject({ email: ADDRESS, family_name: 'gpj.exe Bcc: x@y.example' });
  const account: Page = await visitor.open(`${app.issuer}/account`);
  expect(account.status).toBe(200);
  expectInert(account.html);
});

test('security 13: names of an invitation are text, too', async () => {
  const { deps, keyring } = app.runtime;
  const parts = {
    codes: { keys: keyring.codes, randomBytes: deps.randomBytes },
    mailer: createMailer({ enabled: true, boxKeys: keyring.box }),
    issuer: app.issuer,
    signUp: app.config.signUp,
  };
  const email = 'guest@example.com';
  const invitation = { email, givenName: SCRIPT, familyName: SCRIPT, locale: SCRIPT };
  await transaction(deps.db, (trx) => inviteUser(trx, parts, { actor: 'cli:test' }, invitation));
  const mail = await app.mailbox.waitFor(email);
  expectPlain(mail, email);
  const link = linkIn(mail);
  const visitor = createVisitor();
  const page = await visitor.open(link);
  expect(page.html).toContain('&lt;script&gt;');
  expectInert(page.html);
  const action = new URL(link).pathname;
  const wrong = { given_name: SCRIPT, family_name: SCRIPT, new_password: SCRIPT };
  const refused = await visitor.submit(page, action, wrong);
  expect(refused.status).toBe(422);
  expectInert(refused.html);
  const right = { ...wrong, new_password: NEW_PASSWORD, terms: 'yes' };
  const done = await visitor.submit(refused, action, right);
  expect(done.url).toBe(`${link}/done`);
  expectInert(done.html);
});
