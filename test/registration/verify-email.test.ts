import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { issueCode } from '../../src/one-time-codes/issue-code.ts';
import { CALLBACK } from '../support/app.ts';
import { codeIn, linkIn, type Message } from '../support/mailbox.ts';
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
  post,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
  usersWith,
} from './registration-app.ts';

let app: RegistrationApp;
let addresses = 0;

beforeAll(async () => {
  app = await startRegistrationApp();
});
beforeEach(() => forgetThrottles(app));
afterAll(() => app.stop());

type SignUp = { visitor: Visitor; verify: Page; email: string; mail: Message };

/** Somebody who has filled in the form and has got the mail. */
async function begin(): Promise<SignUp> {
  addresses += 1;
  const email = `person${addresses}@example.com`;
  const visitor = createVisitor();
  const verify = await visitor.submit(
    await openSignUp(app, visitor),
    '/register',
    signUpForm(email),
  );
  return { visitor, verify, email, mail: await app.mailbox.waitFor(email) };
}

const wrongCode = (mail: Message) => String((Number(codeIn(mail)) + 1) % 1e8).padStart(8, '0');
const baseOf = (page: Page) => page.url.replace(/\/verify-email$/, '');
const uidOf = (page: Page) => new URL(page.url).pathname.split('/')[2] ?? '';

async function expectNobody(email: string): Promise<void> {
  expect(await usersWith(app, email)).toEqual([]);
}

describe('the code', () => {
  test('can be mistyped, and is counted', async () => {
    const { visitor, verify, email, mail } = await begin();
    const wrong = await visitor.submit(verify, '/verify-email', { code: wrongCode(mail) });
    expect(pageName(wrong)).toBe('verify-email');
    expect(alertText(wrong)).toContain('not right');
    expect(wrong.html).toContain(email);
    const empty = await visitor.submit(wrong, '/verify-email', { code: ' ' });
    expect(alertText(empty)).toContain('Enter the code');
    const back = await visitor.submit(empty, '/verify-email', { code: codeIn(mail) }, CALLBACK);
    expect(back.url).toContain('code=');
  });

  test('is worthless after five wrong tries; a new one isn’t', async () => {
    const { visitor, verify, email, mail } = await begin();
    let page = verify;
    for (let time = 0; time < 5; time += 1) {
      page = await visitor.submit(page, '/verify-email', { code: wrongCode(mail) });
    }
    expect(alertText(page)).toContain('Ask for a new one');
    page = await visitor.submit(page, '/verify-email', { code: codeIn(mail) });
    expect(alertText(page)).toContain('Ask for a new one');
    await expectNobody(email);
    const after = app.mailbox.messages.length;
    page = await visitor.submit(page, '/resend-sign-up');
    expect(alertText(page)).toBeUndefined();
    expect(page.html).toContain('role="status"');
    const newer = await app.mailbox.waitFor(email, { after });
    const back = await visitor.submit(page, '/verify-email', { code: codeIn(newer) }, CALLBACK);
    expect(back.url).toContain('code=');
    const refused = await app.runtime.deps
      .db('audit_events')
      .where({ type: 'code.refused' })
      .whereRaw(`data->>'reason' = 'exhausted'`);
    expect(refused.length).toBeGreaterThan(0);
  });

  test('stops working when it is old', async () => {
    const { visitor, verify, email, mail } = await begin();
    await app.runtime.deps
      .db('one_time_codes')
      .where({ address: email })
      .update({ expires_at: app.runtime.deps.db.raw("now() - interval '1 second'") });
    const old = await visitor.submit(verify, '/verify-email', { code: codeIn(mail) });
    expect(alertText(old)).toContain('expired');
    await expectNobody(email);
  });

  test('of another browser, another sign-up or another purpose does nothing', async () => {
    const mine = await begin();
    const other = await begin();
    const strange = await mine.visitor.submit(mine.verify, '/verify-email', {
      code: codeIn(other.mail),
    });
    expect(alertText(strange)).toContain('not right');

    const { deps, keyring } = app.runtime;
    const tools = { keys: keyring.codes, randomBytes: deps.randomBytes };
    const { code, token } = await transaction(deps.db, (trx) =>
      issueCode(trx, tools, {
        purpose: 'sign-in',
        address: mine.email,
        request: uidOf(mine.verify),
      }),
    );
    for (const fields of [{ code }, { link: token }]) {
      const page = await mine.visitor.submit(strange, '/verify-email', fields);
      expect(alertText(page)).toBeDefined();
    }
    await expectNobody(mine.email);
  });

  test('takes the person back to the form when the sign-up is gone', async () => {
    const { visitor, verify, email, mail } = await begin();
    await app.runtime.deps.db('one_time_codes').where({ address: email }).delete();
    const fields = { code: codeIn(mail) };
    const page = await visitor.submit(verify, '/verify-email', fields);
    expect(pageName(page)).toBe('register');
    expect(alertText(page)).toContain('once more');
    expect(page.html).toContain(`value="${email}"`);
    expect(pageName(await visitor.submit(verify, '/resend-sign-up'))).toBe('register');
  });

  test('is not asked for where nobody signed up', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const base = register.url.replace(/\/register$/, '');
    expect(pageName(await visitor.open(`${base}/verify-email`))).toBe('login');
  });
});

describe('the link', () => {
  test('asks for a press of a button, which goes on where the person began', async () => {
    const { visitor, email, mail } = await begin();
    const page = await visitor.open(linkIn(mail));
    expect(pageName(page)).toBe('verify-email');
    expect(page.html).toContain(email);
    expect(page.html).not.toContain('name="code"');
    await expectNobody(email);
    const back = await visitor.submit(page, '/verify-email', {}, CALLBACK);
    expect(back.url).toContain('code=');
    expect(await usersWith(app, email)).toHaveLength(1);
    const again = await visitor.open(linkIn(mail), CALLBACK);
    expect(again.status).toBeLessThan(400);
  });

  test('survives being fetched by a mail scanner, however often', async () => {
    const { visitor, verify, email, mail } = await begin();
    const before = await app.runtime.deps.db('one_time_codes').where({ address: email });
    for (let time = 0; time < 3; time += 1) {
      const scanned = await createVisitor().open(linkIn(mail));
      expect(pageName(scanned)).toBe('link-elsewhere');
      await createVisitor().request(linkIn(mail), { method: 'HEAD' });
      await visitor.open(linkIn(mail));
    }
    expect(await app.runtime.deps.db('one_time_codes').where({ address: email })).toEqual(before);
    const back = await visitor.submit(verify, '/verify-email', { code: codeIn(mail) }, CALLBACK);
    expect(back.url).toContain('code=');
  });

  test('in another browser says where to go on, also when the sign-in is over', async () => {
    const { visitor, verify, email, mail } = await begin();
    const elsewhere = await createVisitor().open(linkIn(mail));
    expect(elsewhere.status).toBe(200);
    expect(pageName(elsewhere)).toBe('link-elsewhere');
    expect(elsewhere.html).not.toContain(email);
    expect(elsewhere.html).not.toContain('<form');
    // Only with a link: another browser is refused as ever.
    expect(pageName(await createVisitor().open(verify.url))).toBe('error');
    await visitor.submit(verify, '/verify-email', { code: codeIn(mail) }, CALLBACK);
    expect(pageName(await createVisitor().open(linkIn(mail)))).toBe('link-elsewhere');
    const unknown = `${app.issuer}/interaction/nobody-has-this/verify-email?link=x`;
    expect(pageName(await createVisitor().open(unknown))).toBe('link-elsewhere');
  });

  test('of an older mail is replaced by a newer one, as is its code', async () => {
    const { visitor, verify, email, mail } = await begin();
    const after = app.mailbox.messages.length;
    const resent = await visitor.submit(verify, '/resend-sign-up');
    const newer = await app.mailbox.waitFor(email, { after });
    const old = await visitor.open(linkIn(mail));
    expect(alertText(old)).toContain('replaced');
    const token = new URL(linkIn(mail)).searchParams.get('link') ?? '';
    for (const fields of [{ link: token }, { code: codeIn(mail) }]) {
      const page = await visitor.submit(resent, '/verify-email', fields);
      expect(alertText(page)).toBeDefined();
    }
    await expectNobody(email);
    const page = await visitor.open(linkIn(newer));
    const back = await visitor.submit(page, '/verify-email', {}, CALLBACK);
    expect(back.url).toContain('code=');
  });

  test('works in the sign-up that asked for it and in no other', async () => {
    const victim = await begin();
    const { visitor, verify } = await begin();
    const token = new URL(linkIn(victim.mail)).searchParams.get('link') ?? '';
    const page = await visitor.submit(verify, '/verify-email', { link: token });
    expect(alertText(page)).toContain('expired');
    await expectNobody(victim.email);
  });
});

describe('mails', () => {
  test('are sent again a few times, then later', async () => {
    const { visitor, verify, email } = await begin();
    let page = verify;
    let sent = 0;
    for (; sent < 50 && alertText(page) === undefined; sent += 1) {
      page = await visitor.submit(page, '/resend-sign-up');
    }
    expect(alertText(page)).toMatch(/Wait \d+ seconds?/);
    // The first was the form's, and the last try sent none.
    await expect.poll(() => app.mailbox.tries(email)).toBe(sent);
    const { db } = app.runtime.deps;
    await db('throttles').update({ blocked_until: db.raw("now() + interval '10 minutes'") });
    const register = await visitor.open(`${baseOf(page)}/register`);
    const refused = await visitor.submit(register, '/register', signUpForm(email));
    expect(pageName(refused)).toBe('register');
    expect(alertText(refused)).toMatch(/Too many mails.*Wait 10 minutes/);
    await expect.poll(() => mailsToSend(app)).toBe(0);
    expect(app.mailbox.tries(email)).toBe(sent);
  });

  test('go to an address that has an account with other words, and open nothing', async () => {
    await app.createUser({ email: 'Taken@example.com', profile: { locale: 'de' } });
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const verify = await visitor.submit(register, '/register', signUpForm('taken@example.com'));
    expect(pageName(verify)).toBe('verify-email');
    const mail = await app.mailbox.waitFor('Taken@example.com');
    expect(mail.subject).toContain('schon');
    expect(() => codeIn(mail)).toThrow('no code');
    expect(linkIn(mail)).toBe(`${app.issuer}/account`);
    const page = await visitor.submit(verify, '/verify-email', { code: '12345678' });
    expect(alertText(page)).toContain('not right');
  });
});

describe('security 34: a form sent ten times at once', () => {
  const TIMES = 10;
  const sendAtOnce = (visitor: Visitor, action: string, fields: Record<string, string>) =>
    Promise.all(Array.from({ length: TIMES }, () => post(visitor, action, fields)));

  test('security 34: signs up once, with one mail, one user and one place to go on', async () => {
    const visitor = createVisitor();
    const email = 'tenfold@example.com';
    const register = await openSignUp(app, visitor);
    const fields = { ...hiddenOf(register), ...signUpForm(email) };
    const answers = await sendAtOnce(visitor, register.url, fields);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.status).toBe(303);
    const verify = await visitor.open(new URL(answers[0]?.location ?? '', app.issuer).href);
    expect(pageName(verify)).toBe('verify-email');
    const mail = await app.mailbox.waitFor(email);
    const again = await post(visitor, register.url, fields);
    expect(again).toEqual(answers[0]);

    const action = `${register.url.replace(/\/register$/, '')}/verify-email`;
    const done = await sendAtOnce(visitor, action, {
      ...hiddenOf(verify),
      code: codeIn(mail),
    });
    expect(new Set(done.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(done[0]?.status).toBe(303);
    const back = await visitor.open(done[0]?.location ?? '', CALLBACK);
    expect(back.url).toContain('code=');
    expect(await usersWith(app, email)).toHaveLength(1);
    const events = await app.runtime.deps
      .db('audit_events')
      .where({ type: 'user.signed_up' })
      .whereIn('user_id', app.runtime.deps.db('users').where({ email }).select('id'));
    expect(events).toHaveLength(1);
    expect(app.mailbox.tries(email)).toBe(1);
  });

  test('security 34: sends one new code', async () => {
    const { visitor, verify, email, mail } = await begin();
    const fields = hiddenOf(verify, '/resend-sign-up');
    const answers = await sendAtOnce(visitor, `${baseOf(verify)}/resend-sign-up`, fields);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const newer = await app.mailbox.waitFor(
      (message) => message.recipients.includes(email) && codeIn(message) !== codeIn(mail),
    );
    const back = await visitor.submit(verify, '/verify-email', { code: codeIn(newer) }, CALLBACK);
    expect(back.url).toContain('code=');
    expect(app.mailbox.tries(email)).toBe(2);
  });
});

/** Hidden fields of a page's form. */
function hiddenOf(page: Page, suffix?: string): Record<string, string> {
  return findForm(page, suffix ?? `/${pageName(page)}`).hidden;
}

describe('a form of signing up', () => {
  let begun: SignUp;
  beforeAll(async () => {
    begun = await begin();
  });
  const forms = ['register', 'verify-email', 'resend-sign-up'];
  const before: [string, RequestInit & { headers?: Record<string, string> }, boolean, number][] = [
    ['without its token', {}, false, 403],
    ['from another site', { headers: { origin: 'https://evil.example' } }, true, 403],
    ['from another site, by fetch', { headers: { 'sec-fetch-site': 'cross-site' } }, true, 403],
  ];
  test.each(forms.flatMap((form) => before.map((way) => [form, ...way] as const)))(
    'security 10: %s %s is refused',
    async (form, _way, { headers = {} }, withToken, status) => {
      const { visitor, verify, email, mail } = begun;
      const { csrf = '' } = hiddenOf(verify);
      const fields = { ...signUpForm(email), code: codeIn(mail), ...(withToken ? { csrf } : {}) };
      const url = `${baseOf(verify)}/${form}`;
      const body = new URLSearchParams(fields);
      const response = await visitor.request(url, { method: 'POST', body, headers });
      expect(response.status).toBe(status);
      await expectNobody(email);
    },
  );

  test.each([
    ['verify-email', { code: '12345678' }],
    ['verify-email', { link: '' }],
    ['verify-email', {}],
    ['resend-sign-up', { sent: 'undefined' }],
  ])('security 1: %s with %o skips no step', async (form, fields) => {
    const visitor = createVisitor();
    const register = await openSignUp(app, visitor);
    const base = register.url.replace(/\/register$/, '');
    const { csrf = '' } = hiddenOf(register);
    const answer = await post(visitor, `${base}/${form}`, { csrf, ...fields });
    expect(answer.status).toBe(303);
    const page = await visitor.open(new URL(answer.location, app.issuer).href, CALLBACK);
    expect(pageName(page)).toBe('register');
    expect(alertText(page)).toContain('once more');
  });

  test.each(forms)('security 2: %s of another browser is refused', async (form) => {
    const { verify, email, mail } = begun;
    const fields = { ...hiddenOf(verify), ...signUpForm(email), code: codeIn(mail) };
    const answer = await post(createVisitor(), `${baseOf(verify)}/${form}`, fields);
    expect(answer).toEqual({ status: 400, location: '' });
    await expectNobody(email);
  });
});
