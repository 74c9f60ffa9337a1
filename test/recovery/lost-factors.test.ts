import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { seal } from '../../src/crypto/secret-box.ts';
import { forgetThrottles } from '../registration/registration-app.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { type RecoveryApp, startRecoveryApp } from './recovery-app.ts';

const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const HOURS = 48;

let on: RecoveryApp;
let texts: { to: string; text: string }[];
let stopGateway: () => void;
let people = 0;

beforeAll(async () => {
  texts = [];
  const gateway = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    texts.push(JSON.parse(body));
    res.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  stopGateway = () => {
    gateway.close();
    gateway.closeAllConnections();
  };
  on = await startRecoveryApp({
    MFA_FACTORS: 'passkey,totp,email',
    MFA_RECOVERY_DELAY_HOURS: String(HOURS),
    SMS_WEBHOOK_URL: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/sms`,
    SMS_WEBHOOK_SECRET: `whsec_${Buffer.from('a key of the gateway that is long').toString('base64')}`,
  });
});
beforeEach(() => forgetThrottles(on.app));
afterAll(async () => {
  await on.stop();
  stopGateway();
});

type Person = { id: string; email: string };

const db = () => on.app.runtime.deps.db;
const recoveries = ({ id }: Person) => db()('factor_recoveries').where({ user_id: id });
const factorsOf = async ({ id }: Person) =>
  (await db()('users').where({ id }).first('factors')).factors;
const eventsOf = async ({ id }: Person): Promise<string[]> =>
  (await db()('audit_events').where({ user_id: id }).orderBy('id')).map(({ type }) => type);

/** Somebody with an authenticator app that they lost. */
async function newPerson(change: Record<string, unknown> = {}): Promise<Person> {
  people += 1;
  const { email, user } = await on.createPerson();
  const { id } = user;
  const updated_at = db().fn.now();
  await db()('users')
    .where({ id })
    .update({ updated_at, ...change });
  const secret = seal(on.app.runtime.keyring.box, `totp ${id}`, SECRET);
  await db()('totp_credentials').insert({ id, user_id: id, secret });
  return { id, email };
}

/** Signs in with the password, and stands before the second factor. */
async function atSecondFactor({ email }: Person, visitor = createVisitor()) {
  const page = await on.signIn(email, PASSWORD, visitor);
  expect(pageName(page)).toBe('totp');
  return { visitor, page };
}

/** Signs in with a factor that wasn't lost: a code by mail. */
async function signInWithFactor(person: Person): Promise<Visitor> {
  await db()('message_factors').insert({ user_id: person.id, channel: 'email' });
  const { visitor, page } = await atSecondFactor(person);
  const asking = await visitor.open(`${page.url}/mail-code`);
  const sent = on.mailbox.messages.length;
  const entering = await visitor.submit(asking, '/send-mail-code');
  const mail = await on.mailbox.waitFor(
    ({ recipients, text = '' }) => recipients.includes(person.email) && /^\s*\d{8}\s*$/m.test(text),
    { after: sent },
  );
  const back = await visitor.submit(entering, '/mail-code', { code: codeIn(mail) }, CALLBACK);
  expect(back.url).toContain('code=');
  return visitor;
}

/** The page of who lost everything. */
async function atLostFactors(person: Person) {
  const { visitor, page } = await atSecondFactor(person);
  return { visitor, page: await visitor.open(`${page.url}/lost-factors`) };
}

/** Sends the form of that page although it has none. */
function post(visitor: Visitor, page: Page, fields: Record<string, string>): Promise<Page> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
  const [interaction = ''] = /.*\/interaction\/[^/]+/.exec(page.url) ?? [];
  return visitor.open(`${interaction}/lost-factors`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ csrf, ...fields }),
    headers: { origin: on.app.issuer },
  });
}

const press = (
  visitor: Visitor,
  page: Page,
  fields: Record<string, string> = {},
  stopAt?: string,
) => visitor.submit(page, '/lost-factors', fields, stopAt);

/** Says that everything is lost; gives the link that calls it off. */
async function start(person: Person): Promise<string> {
  const after = on.mailbox.messages.length;
  const { visitor, page } = await atLostFactors(person);
  expect(pageName(await press(visitor, page))).toBe('lost-factors');
  return linkIn(await on.mailbox.waitFor(person.email, { after }));
}

/** As if the wait were over, or also the days after it. */
async function wait(person: Person, hours = HOURS): Promise<void> {
  await recoveries(person).update({
    ready_at: db().raw('ready_at - make_interval(hours => ?)', [hours]),
    expires_at: db().raw('expires_at - make_interval(hours => ?)', [hours]),
  });
}

/** Has a code sent once the wait is over. */
async function askForCode(person: Person) {
  const after = on.mailbox.messages.length;
  const { visitor, page } = await atLostFactors(person);
  const entering = await press(visitor, page);
  const code = codeIn(await on.mailbox.waitFor(person.email, { after }));
  return { visitor, page: entering, code };
}

const hasSession = async ({ id }: Person) =>
  (await db()('oidc_sessions').where({ account_id: id })).length > 0;

describe('who lost their second factors', () => {
  test('waits, is told, and gets in with the password and a mailed code', async () => {
    const person = await newPerson();
    const { visitor, page } = await atLostFactors(person);
    expect(page.html).toContain('after 2 days');
    const waiting = await press(visitor, page);
    expect(waiting.html).toContain('Come back on');
    const mail = await on.mailbox.waitFor(person.email);
    expect(mail.subject).toBe('Did you lose your sign-in methods for Plinto?');
    expect(linkIn(mail)).toMatch(new RegExp(`^${on.app.issuer}/lost-factors/[\\w-]{43}$`));
    expect(await hasSession(person)).toBe(false);
    expect(await factorsOf(person)).toEqual(['totp']);

    await wait(person);
    const ready = await askForCode(person);
    expect(ready.page.html).not.toContain(person.email);
    const done = await press(ready.visitor, ready.page, { code: ready.code }, CALLBACK);
    expect(done.url).toContain('code=');
    expect(await factorsOf(person)).toEqual([]);
    expect(await recoveries(person)).toEqual([]);
    const [last] = (await on.mailbox.waitFor((m) => /were removed/.test(String(m.subject))))
      .recipients;
    expect(last).toBe(person.email);
    expect(await eventsOf(person)).toEqual(
      expect.arrayContaining(['mfa.recovery_started', 'mfa.reset', 'sign_in.succeeded']),
    );
  });

  test('is asked for a new factor where everybody needs one, and has one level till then', async () => {
    const { client } = await on.app.createClient({ metadata: { mfa: 'required' } });
    const person = await newPerson();
    await start(person);
    await wait(person);
    const visitor = createVisitor();
    const url = authorizationUrl(on.app, client.id);
    const page = await visitor.signIn(url, CALLBACK, { identifier: person.email });
    const asking = await visitor.open(`${page.url}/lost-factors`);
    const after = on.mailbox.messages.length;
    const entering = await press(visitor, asking);
    const code = codeIn(await on.mailbox.waitFor(person.email, { after }));
    const next = await press(visitor, entering, { code }, CALLBACK);
    expect(pageName(next)).toMatch(/^enrol-/);
    expect(await hasSession(person)).toBe(false);
  });

  test('is told by text message too, at a number that is verified', async () => {
    const phone_number = `+44794610${String(people).padStart(4, '0')}`;
    const person = await newPerson({ phone_number, phone_number_verified_at: db().fn.now() });
    const link = await start(person);
    await vi.waitFor(() => expect(texts.filter(({ to }) => to === phone_number)).toHaveLength(1), {
      timeout: 15_000,
      interval: 20,
    });
    expect(texts.find(({ to }) => to === phone_number)?.text).toContain(link);
  });

  test('can’t go on before the wait is over, nor long after', async () => {
    const person = await newPerson();
    await start(person);
    await wait(person, HOURS - 1);
    const early = await atLostFactors(person);
    expect(early.page.html).not.toMatch(/<form[^>]*lost-factors/);
    await wait(person, 1 + 8 * 24);
    const late = await atLostFactors(person);
    expect(late.page.html).toContain('name="do" value="start"');
    expect(await factorsOf(person)).toEqual(['totp']);
  });

  test('is refused with a wrong code, and slowed down', async () => {
    const person = await newPerson();
    await start(person);
    await wait(person);
    const { visitor, page, code } = await askForCode(person);
    const wrong = String((Number(code) + 1) % 1e8).padStart(8, '0');
    const said: (string | undefined)[] = [];
    let shown = page;
    for (let i = 0; i < 6; i += 1) {
      shown = await press(visitor, shown, { code: wrong });
      said.push(alertText(shown));
    }
    expect(new Set(said).size).toBeGreaterThan(1);
    // Used up: the right one doesn't help any more.
    expect(pageName(await press(visitor, shown, { code }))).toBe('lost-factors');
    expect(await factorsOf(person)).toEqual(['totp']);
  });
});

describe('a recovery is called off', () => {
  test('by the link, with a click and not by looking', async () => {
    const person = await newPerson();
    const link = await start(person);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    expect(pageName(page)).toBe('cancel-recovery');
    expect((await recoveries(person).first()).cancelled_at).toBeNull();
    const done = await visitor.submit(page, new URL(link).pathname);
    expect([done.status, done.url]).toEqual([200, link]);
    expect(done.html).toContain('It is called off');
    await wait(person);
    const again = await atLostFactors(person);
    expect(again.page.html).toContain('name="do" value="start"');
    expect(await eventsOf(person)).toContain('mfa.recovery_cancelled');
  });

  test('by signing in with what was said to be lost', async () => {
    const person = await newPerson();
    await start(person);
    await signInWithFactor(person);
    expect((await recoveries(person).first()).cancelled_at).not.toBeNull();
    await on.mailbox.waitFor(
      (m) =>
        m.recipients.includes(person.email) && /methods for Plinto stay/.test(String(m.subject)),
    );
  });

  test('from the account, by who is signed in to it', async () => {
    const person = await newPerson();
    const visitor = await signInWithFactor(person);
    await start(person);
    const account = await visitor.open(`${on.app.issuer}/account`);
    expect(account.html).toContain('Somebody says that you lost');
    const done = await visitor.submit(account, '/account/lost-factors');
    expect(done.html).toContain('It is called off');
    expect(done.html).not.toContain('Somebody says that you lost');
    expect((await recoveries(person).first()).cancelled_at).not.toBeNull();
  });

  test('while a code for it is on its way, which is then worth nothing', async () => {
    const person = await newPerson();
    const link = await start(person);
    await wait(person);
    const { visitor, page, code } = await askForCode(person);
    const other = createVisitor();
    await other.submit(await other.open(link), new URL(link).pathname);
    expect(pageName(await press(visitor, page, { code }))).toBe('lost-factors');
    expect(await factorsOf(person)).toEqual(['totp']);
    // Nor does the old page begin another.
    expect((await recoveries(person).first()).cancelled_at).not.toBeNull();
  });
});

describe('nobody gets in that way', () => {
  test('before the password is proven: no page, no form', async () => {
    const person = await newPerson();
    const { visitor, page } = await on.openSignIn();
    expect(pageName(await visitor.open(`${page.url}/lost-factors`))).toBe('login');
    const answer = await post(visitor, page, { do: 'start', identifier: person.email });
    expect(pageName(answer)).toBe('login');
    expect(await recoveries(person)).toEqual([]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['an administrator', { administrator: true }],
    ['who never verified their address', { email_verified_at: null }],
  ])('%s', async (_, change) => {
    const person = await newPerson(change);
    const { page, visitor } = await atLostFactors(person);
    expect(pageName(page)).toBe('totp');
    expect(page.html).not.toContain('/lost-factors');
    await post(visitor, page, { do: 'start' });
    expect(await recoveries(person)).toEqual([]);
  });

  test.each(['x', 'A'.repeat(43), '%00', '..%2f'])('with the link %s', async (token) => {
    const page = await createVisitor().open(`${on.app.issuer}/lost-factors/${token}`);
    expect(page.status).toBeGreaterThanOrEqual(400);
    expect(page.status).toBeLessThan(500);
  });
});

describe('security 34: sent ten times at once', () => {
  test('the form begins one recovery, and sends one mail', async () => {
    const person = await newPerson();
    const { visitor, page } = await atLostFactors(person);
    const pages = await Promise.all(Array.from({ length: 10 }, () => press(visitor, page)));
    expect(new Set(pages.map((p) => `${p.status} ${p.url}`)).size).toBe(1);
    expect((await eventsOf(person)).filter((t) => t === 'mfa.recovery_started')).toHaveLength(1);
    expect(await recoveries(person)).toHaveLength(1);
  });

  test('the code takes the factors once, and leads on every time', async () => {
    const person = await newPerson();
    await start(person);
    await wait(person);
    const { visitor, page, code } = await askForCode(person);
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => press(visitor, page, { code }, CALLBACK)),
    );
    for (const { status } of pages) expect(status).toBeLessThan(400);
    expect(pages.some(({ url }) => url.includes('code='))).toBe(true);
    expect((await eventsOf(person)).filter((t) => t === 'mfa.reset')).toHaveLength(1);
  });

  test('calling off is told once', async () => {
    const person = await newPerson();
    const link = await start(person);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => visitor.submit(page, new URL(link).pathname)),
    );
    expect(new Set(pages.map((p) => `${p.status} ${p.url}`))).toEqual(new Set([`200 ${link}`]));
    expect((await eventsOf(person)).filter((t) => t === 'mfa.recovery_cancelled')).toHaveLength(1);
  });
});
