import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl, callbackParams, redeem } from '../support/authorization.ts';
import { codeIn, linkIn, type Message } from '../support/mailbox.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';
import { press, type RecoveryApp, startRecoveryApp } from './recovery-app.ts';

let recovery: RecoveryApp;

beforeAll(async () => {
  recovery = await startRecoveryApp();
});
afterAll(() => recovery.stop());

const db = () => recovery.app.runtime.deps.db;

type Waiting = { visitor: Visitor; page: Page; mail: Message };

/** Asks for a code at the sign-in page; at the page that waits for it. */
async function askForCode(
  email: string,
  { identifier = email, visitor }: { identifier?: string; visitor?: Visitor } = {},
): Promise<Waiting> {
  const after = recovery.mailbox.messages.length;
  const opened = await recovery.openSignIn(visitor);
  const page = await press(opened.visitor, opened.page, '/login', 'email-code', {
    identifier,
    password: '',
  });
  expect(pageName(page)).toBe('code');
  return { visitor: opened.visitor, page, mail: await recovery.mailbox.waitFor(email, { after }) };
}

const enter = ({ visitor, page }: Waiting, code: string) =>
  visitor.submit(page, '/code', { code }, CALLBACK);

/** A code that isn't the right one. */
const wrong = (mail: Message) => codeIn(mail).replace(/\d$/, (d) => String((Number(d) + 1) % 10));

describe('a code by mail', () => {
  test('signs in, and says so to the app', async () => {
    const credentials = await recovery.app.createClient({ name: 'Notes' });
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    const login = await visitor.open(authorizationUrl(recovery.app, credentials.client.id));
    const page = await press(visitor, login, '/login', 'email-code', { identifier: email });
    expect(page.html).toContain(email);
    expect(page.html).toMatch(/name="code"[^>]*>/);
    const mail = await recovery.mailbox.waitFor(email);
    expect(mail.text).not.toContain(PASSWORD);
    const back = await visitor.submit(page, '/code', { code: codeIn(mail) }, CALLBACK);
    const { code = '' } = callbackParams(back.url);
    const tokens = (await (await redeem(recovery.app, credentials, code)).json()) as {
      id_token: string;
    };
    const claims = JSON.parse(
      Buffer.from(tokens.id_token.split('.')[1] ?? '', 'base64url').toString(),
    );
    expect(claims.email).toBe(email);
    const event = await db()('audit_events')
      .where({ type: 'sign_in.succeeded', client_id: credentials.client.id })
      .first();
    expect(event?.data.amr).toEqual(['otp']);
  });

  test.each<[string, (code: string) => string]>([
    ['as it is', (code) => code],
    ['in two groups', (code) => `${code.slice(0, 4)} ${code.slice(4)}`],
    ['with dashes and spaces around', (code) => `  ${code.slice(0, 4)}–${code.slice(4)} \n`],
    ['full-width', (code) => code.replace(/\d/g, (d) => String.fromCodePoint(0xff10 + Number(d)))],
    ['Arabic-Indic', (code) => code.replace(/\d/g, (d) => String.fromCodePoint(0x660 + Number(d)))],
    ['Persian', (code) => code.replace(/\d/g, (d) => String.fromCodePoint(0x6f0 + Number(d)))],
    ['Devanagari', (code) => code.replace(/\d/g, (d) => String.fromCodePoint(0x966 + Number(d)))],
  ])('is read %s', async (_, write) => {
    const { email } = await recovery.createPerson();
    const waiting = await askForCode(email);
    const back = await enter(waiting, write(codeIn(waiting.mail)));
    expect(back.url).toContain(`${CALLBACK}?code=`);
  });

  test('goes to the address of an account that is named otherwise, and does not tell it', async () => {
    const { email } = await recovery.createPerson({ username: 'dorothy' });
    const waiting = await askForCode(email, { identifier: 'Dorothy' });
    expect(waiting.page.html).toContain('Dorothy');
    expect(waiting.page.html).not.toContain(email);
    expect((await enter(waiting, codeIn(waiting.mail))).url).toContain(CALLBACK);
  });

  test('proves the address', async () => {
    const email = recovery.newAddress();
    const user = await recovery.app.createUser({ email, emailVerified: false });
    const waiting = await askForCode(email);
    await enter(waiting, codeIn(waiting.mail));
    const row = await db()('users').where({ id: user.id }).first();
    expect(row?.email_verified_at).not.toBeNull();
  });

  test('can be asked for again; the one before is worthless then', async () => {
    const { email, user } = await recovery.createPerson();
    const first = await askForCode(email);
    await db()('one_time_codes')
      .where({ user_id: user.id })
      .update({ created_at: db().raw("now() - interval '1 minute'") });
    const after = recovery.mailbox.messages.length;
    const again = await first.visitor.submit(first.page, '/email-code');
    expect(again.html).toContain('role="status"');
    const second = await recovery.mailbox.waitFor(email, { after });
    const refused = await enter({ ...first, page: again }, codeIn(first.mail));
    expect(alertText(refused)).toContain('not right');
    const back = await enter({ ...first, page: refused }, codeIn(second));
    expect(back.url).toContain(CALLBACK);
  });

  test('gives way to the password, and comes back', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page } = await askForCode(email);
    const login = await visitor.open(page.url.replace(/(\/code)?$/, '/login'));
    expect(pageName(login)).toBe('login');
    expect(login.html).toContain(`value="${email}"`);
    const refused = await visitor.submit(login, '/login', {
      identifier: email,
      password: 'not-the-password-at-all',
    });
    expect(alertText(refused)).toContain('Wrong email');
    const back = await visitor.submit(
      refused,
      '/login',
      { identifier: email, password: PASSWORD },
      CALLBACK,
    );
    expect(back.url).toContain(CALLBACK);
  });

  test('can be had by somebody whose password is asked for once more', async () => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    await recovery.signIn(email, PASSWORD, visitor);
    const { page } = await recovery.openSignIn(visitor);
    expect(pageName(page)).toBe('password');
    const code = await press(visitor, page, '/password', 'email-code', { identifier: email });
    const mail = await recovery.mailbox.waitFor(
      (m) => /^\s*\d{8}\s*$/m.test(m.text ?? '') && m.recipients.includes(email),
    );
    const back = await visitor.submit(code, '/code', { code: codeIn(mail) }, CALLBACK);
    expect(back.url).toContain(CALLBACK);
  });

  test('is forgotten by who goes on as somebody else', async () => {
    const { email } = await recovery.createPerson();
    const visitor = createVisitor();
    await recovery.signIn(email, PASSWORD, visitor);
    const { page } = await recovery.openSignIn(visitor);
    await press(visitor, page, '/password', 'email-code', { identifier: email });
    const password = await visitor.open(`${page.url}/login`);
    expect(pageName(password)).toBe('password');
    const login = await visitor.submit(password, '/switch');
    expect(pageName(login)).toBe('login');
  });

  test('security 34: ten times at once signs in once and leads to one place', async () => {
    const { email, user } = await recovery.createPerson();
    const { visitor, page, mail } = await askForCode(email);
    const { action, hidden } = findForm(page, '/code');
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const body = new URLSearchParams({ ...hidden, code: codeIn(mail) });
        const answer = await visitor.request(action, { method: 'POST', body });
        return `${answer.status} ${answer.headers.get('location')}`;
      }),
    );
    expect(new Set(answers).size).toBe(1);
    const back = await visitor.open(answers[0]?.slice(4) ?? '', CALLBACK);
    expect(back.url).toContain(`${CALLBACK}?code=`);
    const events = { user_id: user.id, type: 'sign_in.succeeded' };
    expect(await db()('audit_events').where(events)).toHaveLength(1);
  });

  test('security 34: is mailed once when asked for ten times at once', async () => {
    const { email, user } = await recovery.createPerson();
    const { visitor, page } = await recovery.openSignIn();
    const { hidden } = findForm(page, '/login');
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const body = new URLSearchParams({ ...hidden, identifier: email });
        const answer = await visitor.request(`${page.url}/email-code`, { method: 'POST', body });
        return `${answer.status} ${answer.headers.get('location')}`;
      }),
    );
    expect([...new Set(answers)]).toEqual([`303 ${new URL(page.url).pathname}`]);
    const events = { user_id: user.id, type: 'sign_in.code_requested' };
    expect(await db()('audit_events').where(events)).toHaveLength(1);
  });
});

describe('a wrong code', () => {
  test('is said, recorded, and worth five tries', async () => {
    const { email, user } = await recovery.createPerson();
    const waiting = await askForCode(email);
    let { page } = waiting;
    for (const [typed, said] of [
      ['', 'Enter the code'],
      ['  - ', 'Enter the code'],
      [wrong(waiting.mail), 'not right'],
      ['12', 'not right'],
      ['9'.repeat(5000), 'not right'],
      ['abcdefgh', 'not right'],
      [wrong(waiting.mail), 'Too many wrong codes'],
      [codeIn(waiting.mail), 'Too many wrong codes'],
    ] as const) {
      page = await enter({ ...waiting, page }, typed);
      expect(alertText(page), typed.slice(0, 20)).toContain(said);
    }
    const events = await db()('audit_events').where({ user_id: user.id }).orderBy('id');
    const refusals = events.filter(({ type }) => type === 'code.refused');
    expect(refusals.map(({ data }) => data.reason)).toEqual([
      ...Array(4).fill('wrong'),
      'exhausted',
      'exhausted',
    ]);
    const failures = events.filter(({ type }) => type === 'sign_in.failed');
    expect(failures.every(({ data }) => data.reason === 'wrong_code')).toBe(true);
    expect(failures).toHaveLength(refusals.length);
  });

  test('is all there is for an account that was suspended meanwhile', async () => {
    const { email, user } = await recovery.createPerson();
    const waiting = await askForCode(email);
    await db()('users').where({ id: user.id }).update({ status: 'suspended' });
    const refused = await enter(waiting, codeIn(waiting.mail));
    expect(alertText(refused)).toContain('expired');
    expect(pageName(refused)).toBe('code');
  });

  test('is one that is too old', async () => {
    const { email, user } = await recovery.createPerson();
    const waiting = await askForCode(email);
    await db()('one_time_codes')
      .where({ user_id: user.id })
      .update({ expires_at: db().raw("now() - interval '1 second'") });
    expect(alertText(await enter(waiting, codeIn(waiting.mail)))).toContain('expired');
  });
});

describe('the link beside the code', () => {
  const withButton = async (link: string, visitor: Visitor) => {
    const page = await visitor.open(link);
    expect(pageName(page)).toBe('code');
    expect(page.html).not.toContain('name="code"');
    return visitor.submit(page, '/code', {}, CALLBACK);
  };

  test('signs in by one press in the same browser, and survives being looked at', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, mail } = await askForCode(email);
    const link = linkIn(mail);
    const scanner = createVisitor({ 'user-agent': 'LinkScanner/1.0' });
    for (const method of ['GET', 'HEAD']) await scanner.request(link, { method });
    expect((await withButton(link, visitor)).url).toContain(`${CALLBACK}?code=`);
  });

  test('works also after turning to the password', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page, mail } = await askForCode(email);
    const login = await visitor.open(page.url.replace(/(\/code)?$/, '/login'));
    await visitor.submit(login, '/login', { identifier: email, password: 'not-it-at-all-or-so' });
    expect((await withButton(linkIn(mail), visitor)).url).toContain(CALLBACK);
  });

  test('says in another browser where to go on, and tells it no code', async () => {
    const { email } = await recovery.createPerson();
    const { mail } = await askForCode(email);
    const seen = await createVisitor().open(linkIn(mail));
    expect(pageName(seen)).toBe('link-elsewhere');
    expect(seen.html).not.toContain(codeIn(mail));
  });

  test('is refused when it is made up', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page } = await askForCode(email);
    for (const token of ['x'.repeat(43), 'short', '']) {
      const refused = await visitor.submit(page, '/code', { link: token }, CALLBACK);
      expect(alertText(refused)).toContain('expired');
    }
  });
});

describe('a page for a code that nobody asked for', () => {
  test('offers to ask', async () => {
    const { email } = await recovery.createPerson();
    const { visitor, page } = await recovery.openSignIn();
    const asking = await visitor.open(`${page.url}/code`);
    expect(pageName(asking)).toBe('code');
    const refused = await visitor.submit(asking, '/email-code', { identifier: ' ' });
    expect([pageName(refused), alertText(refused)]).toEqual([
      'login',
      'Enter your email or username.',
    ]);
    const sent = await visitor.submit(asking, '/email-code', { identifier: email });
    expect(sent.html).toContain('name="code"');
  });
});

test('without EMAIL_SIGN_IN there is no code to sign in by', async () => {
  const strict = await startRecoveryApp({ EMAIL_SIGN_IN: 'false' });
  const { visitor, page } = await strict.openSignIn();
  expect(page.html).toContain('/reset-password');
  expect(page.html).not.toContain('email-code');
  expect(pageName(await visitor.open(`${page.url}/code`))).toBe('login');
  const { hidden } = findForm(page, '/login');
  for (const form of ['email-code', 'code']) {
    const body = new URLSearchParams({ ...hidden, identifier: 'ada@example.com', code: '1' });
    const answer = await visitor.request(`${page.url}/${form}`, { method: 'POST', body });
    expect(answer.status).toBe(404);
  }
  await strict.stop();
});
