import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { hashNewPassword, setPassword } from '../../src/password/set-password.ts';
import { removeCredential } from '../../src/totp/store.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { optionsIn } from '../support/authenticator.ts';
import { authorizationUrl, type Credentials, redeem } from '../support/authorization.ts';
import { codeIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import {
  baseOf,
  codeNow,
  createOwner,
  givePasskey,
  giveTotp,
  type Having,
  type Owner,
  unusedCode,
  walk,
  walkOn,
} from '../support/second-factors.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';

const NEW_PASSWORD = 'copper-lantern-drifts-77';
const TWO = 'urn:plinto:acr:2fa';

let mailbox: Mailbox;
let app: TestApp;
let client: Credentials;
let other: Credentials;
let off: Credentials;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url, EMAIL_SIGN_IN: 'true' });
  client = await app.createClient();
  other = await app.createClient({ name: 'Other' });
  off = await app.createClient({ name: 'Off', metadata: { mfa: 'off' } });
});
// All tests come from one address, whose tries count together.
beforeEach(() => app.runtime.deps.db('throttles').delete());
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

const urlOf = (params: Record<string, string> = {}, at = client) =>
  authorizationUrl(app, at.client.id, params);

type Attempt = { owner: Owner; visitor: Visitor; page: Page; base: string };

/** Past the password, at the page that asks for the second factor. */
async function atSecond(having: Having[] = ['totp'], given?: Owner): Promise<Attempt> {
  const owner = given ?? (await createOwner(app, having));
  const visitor = createVisitor();
  const until = ['totp', 'passkey'];
  const { pages, end } = await walk(app, owner, visitor, urlOf(), { until });
  expect(pages).toEqual(['login']);
  expect(until).toContain(pageName(end));
  return { owner, visitor, page: end, base: baseOf(end) };
}

/** Sends a form that no page showed. */
async function forge(
  { visitor, page, base }: Attempt,
  form: string,
  fields: Record<string, string> = {},
): Promise<Response> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
  const body = new URLSearchParams({ csrf, ...fields });
  return visitor.request(`${base}/${form}`, { method: 'POST', body });
}

/** That a browser opens nothing of anybody's. */
async function expectNobody(visitor: Visitor, base: string): Promise<void> {
  for (const url of [base, base.replace('/interaction/', '/authorize/')]) {
    expect((await visitor.open(url, CALLBACK)).url).not.toContain('code=');
  }
  for (const at of [client, other, off]) {
    const silent = await visitor.open(urlOf({ prompt: 'none' }, at), CALLBACK);
    expect(silent.url).toContain('error=login_required');
  }
  for (const path of ['', '/password', '/sessions', '/totp', '/recovery-codes', '/data']) {
    const page = await visitor.open(`${app.issuer}/account${path}`);
    expect([path, pageName(page)]).toEqual([path, 'login']);
  }
  expect(await app.runtime.deps.db('oidc_sessions').whereNotNull('account_id')).toEqual([]);
}

/** Ends what others of these tests began, so that what is left is of this one. */
const forgetSessions = () => app.runtime.deps.db('oidc_sessions').delete();

describe('security 3: after the password alone', () => {
  test.each<[string, Having]>([
    ['an authenticator app', 'totp'],
    ['a passkey', 'passkey'],
  ])('security 3: who has %s is signed in to nothing', async (_, having) => {
    await forgetSessions();
    const { visitor, base } = await atSecond([having]);
    await expectNobody(visitor, base);
  });

  test('security 3: there is no code to redeem, and the uid is none', async () => {
    const { base } = await atSecond();
    const uid = base.split('/').at(-1) ?? '';
    expect((await redeem(app, client, uid)).status).toBe(400);
    const headers = { authorization: `Bearer ${uid}` };
    expect((await fetch(`${app.issuer}/userinfo`, { headers })).status).toBe(401);
  });

  test('security 3: it is no sign-in in the audit log, nor a device that is known', async () => {
    const { owner } = await atSecond();
    const { db } = app.runtime.deps;
    const events = db('audit_events').where({ user_id: owner.user.id });
    expect(await events.where({ type: 'sign_in.succeeded' })).toEqual([]);
    expect(await db('known_devices').where({ user_id: owner.user.id })).toEqual([]);
  });

  test('security 3: a mailed code isn’t the second factor of who has an app', async () => {
    const owner = await createOwner(app, ['totp']);
    const visitor = createVisitor();
    const login = await visitor.open(urlOf());
    const mailed = await visitor.submit(await visitor.open(`${login.url}/code`), '/email-code', {
      identifier: owner.email,
    });
    const code = codeIn(await mailbox.waitFor(owner.email));
    const asked = await visitor.submit(mailed, '/code', { code }, CALLBACK);
    expect(pageName(asked)).toBe('totp');
    const attempt = { owner, visitor, page: asked, base: baseOf(asked) };
    await forge(attempt, 'login', { identifier: owner.email, password: PASSWORD });
    await forge(attempt, 'password', { password: PASSWORD });
    expect(pageName(await visitor.open(attempt.base, CALLBACK))).toBe('totp');
  });

  test('security 3: a mailed code doesn’t step up who has an app', async () => {
    const owner = await createOwner(app, ['totp']);
    const visitor = createVisitor();
    await walk(app, owner, visitor, urlOf({}, off));
    const asked = await visitor.open(urlOf({ acr_values: TWO }), CALLBACK);
    expect(pageName(asked)).toBe('totp');
    const attempt = { owner, visitor, page: asked, base: baseOf(asked) };
    await forge(attempt, 'email-code', { identifier: owner.email });
    const codes = () =>
      mailbox.messages.filter(
        ({ recipients, text }) => recipients.includes(owner.email) && /\b\d{8}\b/.test(text ?? ''),
      );
    await expect.poll(() => codes().length, { timeout: 15_000 }).toBe(1);
    const code = /\b\d{8}\b/.exec(String(codes()[0]?.text))?.[0] ?? '';
    await forge(attempt, 'code', { code });
    expect(pageName(await visitor.open(attempt.base, CALLBACK))).toBe('totp');
  });

  test('security 3: a new password by mail changes nothing about it', async () => {
    const owner = await createOwner(app, ['totp']);
    const password = NEW_PASSWORD;
    const { db } = app.runtime.deps;
    const visitor = createVisitor();
    const login = await visitor.open(urlOf());
    const before = mailbox.messages.length;
    await visitor.submit(await visitor.open(`${login.url}/reset-password`), '/reset-password', {
      identifier: owner.email,
    });
    const { text = '' } = await mailbox.waitFor(owner.email, { after: before });
    const link = /https?:\/\/\S+\/reset-password\/\S+/.exec(text)?.[0] ?? '';
    const choose = await visitor.open(link);
    await visitor.submit(choose, new URL(link).pathname, { new_password: password });
    expect(await db('totp_credentials').where({ user_id: owner.user.id })).toHaveLength(1);
    const { pages } = await walk(app, { ...owner, password }, createVisitor(), urlOf());
    expect(pages).toEqual(['login', 'totp']);
  });
});

describe('security 1: no form or page of later gets past the second factor', () => {
  const FORMS: [string, Record<string, string>][] = [
    ['enrol-totp', { code: '123456' }],
    ['enrol-passkey', { credential: '{}' }],
    ['recovery-codes', { draft: 'x' }],
    ['recovery-code', { code: 'AAAA-AAAA-AAAA-AAAA' }],
    ['skip-passkey', {}],
    ['passkey-offer', { credential: '{}' }],
    ['new-password', { new_password: NEW_PASSWORD }],
    ['consent', {}],
    ['login', {}],
    ['password', {}],
    ['totp', {}],
    ['totp', { code: '000000' }],
    ['passkey', { credential: '{}' }],
    ['send-sms-code', {}],
    ['send-mail-code', {}],
    ['sms-code', { code: '12345678' }],
    ['mail-code', { code: '12345678' }],
    ['lost-factors', {}],
  ];
  test.each(FORMS)('security 1: posting %s %j', async (form, fields) => {
    const attempt = await atSecond();
    const response = await forge(attempt, form, fields);
    // Forms of what this installation hasn't got aren't there.
    expect([303, 404]).toContain(response.status);
    expect(response.headers.get('location') ?? '').not.toMatch(/code=|\/authorize\//);
    const now = await attempt.visitor.open(attempt.base, CALLBACK);
    expect(pageName(now)).toBe('totp');
    const { db } = app.runtime.deps;
    const { rows } = await db.raw('SELECT factors FROM users WHERE id = ?', [
      attempt.owner.user.id,
    ]);
    expect(rows).toEqual([{ factors: ['totp'] }]);
    // And the person can still go on.
    const { end } = await walkOn(app, attempt.owner, attempt.visitor, now);
    expect(end.url).toContain('code=');
  });

  const PAGES = [
    'enrol-mfa',
    'enrol-totp',
    'enrol-passkey',
    'recovery-codes',
    'recovery-code',
    'passkey-offer',
    'new-password',
    'consent',
    'login',
    'password',
    'register',
    'code',
    'sms-code',
    'mail-code',
    'lost-factors',
  ];
  test('security 1: opening any other page leads back to it', async () => {
    const { visitor, base } = await atSecond();
    for (const page of PAGES) {
      expect([page, pageName(await visitor.open(`${base}/${page}`, CALLBACK))]).toEqual([
        page,
        'totp',
      ]);
    }
  });

  test('security 1: the code before the password proves nothing, and isn’t used up', async () => {
    const owner = await createOwner(app, ['totp']);
    const visitor = createVisitor();
    const login = await visitor.open(urlOf());
    const attempt = { owner, visitor, page: login, base: baseOf(login) };
    const code = codeNow(owner);
    expect((await forge(attempt, 'totp', { code })).status).toBe(303);
    const { end } = await walkOn(app, owner, visitor, login, { until: ['totp'] });
    expect(pageName(end)).toBe('totp');
    const done = await visitor.submit(end, '/totp', { code }, CALLBACK);
    expect(done.url).toContain('code=');
  });

  test('security 1: a code of somebody else’s app proves nobody', async () => {
    const attempt = await atSecond();
    const eve = await createOwner(app, ['totp']);
    const { visitor, page } = attempt;
    const wrong = await visitor.submit(page, '/totp', { code: codeNow(eve) }, CALLBACK);
    expect(pageName(wrong)).toBe('totp');
  });

  test('security 1: another person’s password takes the place of the first, app and all', async () => {
    const attempt = await atSecond();
    const eve = await createOwner(app, []);
    const code = codeNow(attempt.owner);
    await forge(attempt, 'login', { identifier: eve.email, password: PASSWORD });
    const ended = await attempt.visitor.open(attempt.base, CALLBACK);
    expect(ended.url).toContain('code=');
    const replayed = await forge(attempt, 'totp', { code });
    expect(replayed.headers.get('location') ?? '').not.toContain('code=');
    const sessions = app.runtime.deps.db('oidc_sessions');
    expect(await sessions.where({ account_id: attempt.owner.user.id })).toEqual([]);
  });

  test('security 1: a passkey of somebody else is nothing after a password', async () => {
    const attempt = await atSecond(['passkey']);
    const eve = await createOwner(app, ['passkey']);
    const { visitor, page } = attempt;
    const options = optionsIn(page);
    if (options === undefined) throw new Error('no passkey is asked for');
    const credential = JSON.stringify(eve.authenticator.get(options));
    const refused = await visitor.submit(page, '/passkey', { credential }, CALLBACK);
    expect([pageName(refused), alertText(refused)]).toEqual(['passkey', expect.any(String)]);
  });

  test('security 1: a temporary password is changed after the second factor only', async () => {
    const owner = await createOwner(app, ['totp']);
    const { db } = app.runtime.deps;
    await db('passwords').where({ user_id: owner.user.id }).update({ must_change: true });
    const attempt = await atSecond([], owner);
    await forge(attempt, 'new-password', { new_password: NEW_PASSWORD });
    const { pages, end } = await walkOn(app, owner, attempt.visitor, attempt.page);
    expect([pages, pageName(end)]).toEqual([['totp'], 'new-password']);
    const fields = { new_password: NEW_PASSWORD };
    const done = await attempt.visitor.submit(end, '/new-password', fields, CALLBACK);
    expect(done.url).toContain('code=');
  });
});

describe('security 3: what changes while the second factor is asked for', () => {
  async function goOn({ owner, visitor, page }: Attempt): Promise<Page> {
    return visitor.submit(page, '/totp', { code: await unusedCode(app, owner) }, CALLBACK);
  }

  test('security 3: another password makes the first worth nothing', async () => {
    const attempt = await atSecond();
    const { db } = app.runtime.deps;
    const hash = await hashNewPassword(app.hasher, NEW_PASSWORD);
    await transaction(db, (trx) => setPassword(trx, SYSTEM, attempt.owner.user, hash));
    const login = await goOn(attempt);
    expect([pageName(login), alertText(login)]).toEqual([
      'login',
      expect.stringContaining('has been changed'),
    ]);
    const fields = { identifier: attempt.owner.email, password: PASSWORD };
    const refused = await attempt.visitor.submit(login, '/login', fields, CALLBACK);
    expect([pageName(refused), alertText(refused)]).toEqual(['login', expect.any(String)]);
  });

  test('security 3: a suspended person isn’t let in', async () => {
    const attempt = await atSecond();
    const { db } = app.runtime.deps;
    await transaction(db, (trx) => suspendUser(trx, SYSTEM, attempt.owner.user));
    expect(pageName(await goOn(attempt))).toBe('login');
    expect(await db('oidc_sessions').where({ account_id: attempt.owner.user.id })).toEqual([]);
  });

  test('security 3: nor is a deleted one', async () => {
    const attempt = await atSecond();
    await app.runtime.deps.db('users').where({ id: attempt.owner.user.id }).delete();
    expect(pageName(await goOn(attempt))).toBe('login');
  });

  test('security 3: a factor that was taken away isn’t asked for, nor taken', async () => {
    const attempt = await atSecond(['totp', 'passkey']);
    const { db } = app.runtime.deps;
    const { visitor, base, owner } = attempt;
    const appPage = await visitor.open(`${base}/totp`);
    await transaction(db, (trx) => removeCredential(trx, owner.user.id));
    const fields = { code: codeNow(owner) };
    const now = await visitor.submit(appPage, '/totp', fields, CALLBACK);
    expect(pageName(now)).toBe('passkey');
  });

  test('security 3: one that was turned on meanwhile is asked for', async () => {
    const owner = await createOwner(app);
    const visitor = createVisitor();
    const page = await visitor.open(urlOf({ acr_values: TWO }));
    const { end } = await walkOn(app, owner, visitor, page, { until: ['enrol-mfa'] });
    const enrol = await visitor.open(`${baseOf(end)}/enrol-totp`);
    await giveTotp(app, owner);
    // The secret that this page showed is none of theirs.
    const attempt = { owner, visitor, page: enrol, base: baseOf(enrol) };
    await forge(attempt, 'enrol-totp', { code: '123456' });
    expect(pageName(await visitor.open(attempt.base, CALLBACK))).toBe('totp');
  });

  test('security 3: a passkey that was added meanwhile will do as well', async () => {
    const attempt = await atSecond();
    await givePasskey(app, attempt.owner);
    const passkey = await attempt.visitor.open(`${attempt.base}/passkey`);
    expect(pageName(passkey)).toBe('passkey');
    const { end } = await walkOn(app, attempt.owner, attempt.visitor, passkey);
    expect(end.url).toContain('code=');
  });
});

describe('security 2: the page of the second factor belongs to its browser', () => {
  test('security 2: it is refused in another, with the right code too', async () => {
    const attempt = await atSecond();
    const visitor = createVisitor();
    expect((await visitor.open(attempt.base)).status).toBe(400);
    const code = codeNow(attempt.owner);
    const response = await forge({ ...attempt, visitor }, 'totp', { code });
    expect([response.status, response.headers.get('location')]).toEqual([400, null]);
  });
});

describe('security 34: a form of a second factor, sent ten times at once', () => {
  test('security 34: signs in once, and leads to one place', async () => {
    const { owner, visitor, page } = await atSecond();
    const { action, hidden } = findForm(page, '/totp');
    const body = new URLSearchParams({ ...hidden, code: codeNow(owner) });
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const response = await visitor.request(action, { method: 'POST', body });
        return `${response.status} ${response.headers.get('location')}`;
      }),
    );
    expect([...new Set(answers)]).toEqual([expect.stringMatching(/^303 .*\/authorize\//)]);
    const { db } = app.runtime.deps;
    const events = await db('audit_events').where({ user_id: owner.user.id }).select('type');
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === 'sign_in.succeeded')).toHaveLength(1);
    expect(types).not.toContain('sign_in.failed');
    const back = await visitor.open(String(answers[0]?.slice(4)), CALLBACK);
    expect(back.url).toContain('code=');
    expect(await db('oidc_sessions').where({ account_id: owner.user.id })).toHaveLength(1);
  });
});
