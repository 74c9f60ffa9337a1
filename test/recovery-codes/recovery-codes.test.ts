import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCodes, hashCode, readCode } from '../../src/recovery-codes/codes.ts';
import { pastPassword } from '../one-time-codes/message-codes.ts';
import { startRegistrationApp } from '../registration/registration-app.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import { giveApp, phoneWith } from '../totp/totp-app.ts';

let app: Awaited<ReturnType<typeof startRegistrationApp>>;
let replica: { port: number };
let clientId: string;
let count = 0;

beforeAll(async () => {
  app = await startRegistrationApp({ TRUST_PROXY: '1' });
  replica = await app.startReplica();
  clientId = (await app.createClient()).client.id;
});
afterAll(() => app.stop());

const codesIn = ({ html }: Page) =>
  [...html.matchAll(/<li><code>([^<]+)</g)].map(([, code = '']) => code);

/** Somebody new with an app and recovery codes, of which these are some. */
async function withCodes(number = 10) {
  count += 1;
  const email = `codes${count}@example.com`;
  const user = await app.createUser({ email });
  const phone = await giveApp(app, user);
  const { deps } = app.runtime;
  const codes = createCodes(deps.randomBytes).slice(0, number);
  const rows = codes.map((code) => ({ user_id: user.id, hash: hashCode(code) }));
  await deps.db('recovery_codes').insert(rows);
  return { user, email, phone, codes };
}

/** Where a recovery code is asked for, in a browser of its own. */
async function atRecoveryCode(email: string) {
  count += 1;
  const visitor = createVisitor({ 'x-forwarded-for': `198.51.100.${count}` });
  const page = await pastPassword(visitor, authorizationUrl(app, clientId), email, CALLBACK);
  const interaction = /^.*\/interaction\/[^/]+/.exec(page.url)?.[0];
  return { visitor, page: await visitor.open(`${interaction}/recovery-code`) };
}

const mailsTo = (email: string) =>
  app.mailbox.messages.filter(({ recipients }) => recipients.includes(email));

test('codes have 80 bits, no letters that look alike, and are read as people type them', () => {
  const codes = createCodes(app.runtime.deps.randomBytes);
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) {
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
    const plain = code.replaceAll('-', '');
    const wide = [...plain].map((c) => String.fromCodePoint((c.codePointAt(0) ?? 0) + 0xfee0));
    const typings = [code, plain.toLowerCase(), ` ${code.replaceAll('-', ' ')} `, wide.join('')];
    for (const typed of typings) expect(readCode(typed)).toBe(plain);
    expect(readCode(code.replaceAll('0', 'o').replaceAll('1', 'l'))).toBe(plain);
  }
});

describe('a recovery code', () => {
  test('signs in in place of the app, is told by mail, and works no more', async () => {
    const { user, email, codes } = await withCodes(3);
    const { visitor, page } = await atRecoveryCode(email);
    expect(pageName(page)).toBe('recovery-code');
    const code = codes[0]?.toLowerCase().replaceAll('-', ' ') ?? '';
    const back = await visitor.submit(page, '/recovery-code', { code }, CALLBACK);
    expect(back.url).toContain(CALLBACK);
    const { db } = app.runtime.deps;
    const events = await db('audit_events').where({ user_id: user.id, type: 'recovery_code.used' });
    expect(events.map(({ data }) => data)).toEqual([{ left: 2 }]);
    const mail = await app.mailbox.waitFor(email);
    expect(mail.text).toContain('2');

    const again = await atRecoveryCode(email);
    const refused = await again.visitor.submit(again.page, '/recovery-code', { code }, CALLBACK);
    expect(alertText(refused)).toContain('used already');
  });

  test('of somebody else is wrong', async () => {
    const other = await withCodes();
    const { email } = await withCodes();
    const { visitor, page } = await atRecoveryCode(email);
    const [code = ''] = other.codes;
    const refused = await visitor.submit(page, '/recovery-code', { code }, CALLBACK);
    expect(alertText(refused)).toContain('not right');
  });

  test('security 17: works once of 20 in parallel over two servers', async () => {
    const { user, email, codes } = await withCodes();
    const [code = ''] = codes;
    const four: Awaited<ReturnType<typeof atRecoveryCode>>[] = [];
    for (let i = 0; i < 4; i += 1) four.push(await atRecoveryCode(email));
    const sendings = Array.from({ length: 20 }, async (_, i) => {
      const { visitor, page } = four[i % 4] as (typeof four)[number];
      const { action, hidden } = findForm(page, '/recovery-code');
      const address = new URL(action);
      const { origin } = address;
      if (i % 2 === 1) address.port = String(replica.port);
      const body = new URLSearchParams({ ...hidden, code });
      const answer = await visitor.request(address.href, {
        method: 'POST',
        body,
        headers: { origin },
      });
      return answer.status;
    });
    expect(new Set(await Promise.all(sendings))).toEqual(new Set([303]));
    const { db } = app.runtime.deps;
    const used = await db('recovery_codes').where({ user_id: user.id }).whereNotNull('used_at');
    expect(used).toHaveLength(1);
    const types = (await db('audit_events').where({ user_id: user.id })).map(({ type }) => type);
    expect(types.filter((type: string) => type === 'recovery_code.used')).toHaveLength(1);
    expect(types.filter((type: string) => type === 'sign_in.succeeded')).toHaveLength(1);
    await app.mailbox.waitFor(email);
    expect(
      mailsTo(email).filter(({ subject }) => /recovery code/i.test(subject ?? '')),
    ).toHaveLength(1);
  });

  test('security 4: wrong ones are counted with the wrong codes of the app', async () => {
    const { email, phone } = await withCodes();
    for (let tries = 0; tries < 6; tries += 1) {
      const { visitor, page } = await atRecoveryCode(email);
      const typed = { code: `${tries}ZZZ-ZZZZ-ZZZZ-ZZZZ` };
      expect(alertText(await visitor.submit(page, '/recovery-code', typed))).toContain('not right');
    }
    const visitor = createVisitor();
    const page = await pastPassword(visitor, authorizationUrl(app, clientId), email, CALLBACK);
    const slowed = await visitor.submit(page, '/totp', { code: phone.code() }, CALLBACK);
    expect(alertText(slowed)).toContain('Too many tries');
  });
});

describe('in the account', () => {
  test('an app is turned on and leads to codes, which count once confirmed; it is turned off', async () => {
    count += 1;
    const email = `account${count}@example.com`;
    const user = await app.createUser({ email });
    const visitor = createVisitor();
    const { db } = app.runtime.deps;
    const login = await visitor.open(`${app.issuer}/account/totp`);
    const setUp = await visitor.submit(login, '/login', { identifier: email, password: PASSWORD });
    expect(pageName(setUp)).toBe('account-totp');
    const key = /<code class="key">([^<]+)</.exec(setUp.html)?.[1] ?? '';
    expect(setUp.html).toContain('role="img"');
    expect(setUp.html).toContain(`secret=${key.replaceAll(' ', '')}`);
    const phone = phoneWith(key.replaceAll(' ', ''));
    const { action, hidden } = findForm(setUp, '/account/totp');
    const { origin } = new URL(action);
    const post = () =>
      visitor.request(action, {
        method: 'POST',
        body: new URLSearchParams({ ...hidden, code: phone.code() }),
        headers: { origin },
      });
    const answers = await Promise.all(Array.from({ length: 10 }, post));
    const went = new Set(answers.map(({ headers }) => headers.get('location')));
    expect([...went]).toEqual([expect.stringContaining('/account/recovery-codes/new')]);
    expect((await db('users').where({ id: user.id }).first()).factors).toEqual(['totp']);
    const added = await db('audit_events').where({ user_id: user.id, type: 'factor.added' });
    expect(added).toHaveLength(1);

    const sheet = await visitor.open(`${app.issuer}/account/recovery-codes/new`);
    const codes = codesIn(sheet);
    expect(codes).toHaveLength(10);
    expect(codesIn(await visitor.open(sheet.url))).toEqual(codes);
    expect(decodeURIComponent(sheet.html)).toContain(codes.join('\r\n'));
    expect(await db('recovery_codes').where({ user_id: user.id })).toEqual([]);
    const dump = await db.raw('SELECT d::text AS whole FROM recovery_code_drafts d');
    expect(JSON.stringify(dump.rows)).not.toContain(codes[0]);
    const { page } = await atRecoveryCode(email);
    expect(pageName(page)).toBe('totp');
    expect(() => findForm(page, '/recovery-code')).toThrow();

    const other = await visitor.submit(sheet, '/recovery-codes/new', { draft: 'another' });
    expect(other.status).toBe(422);
    expect(alertText(other)).toContain('other codes');
    const kept = await visitor.submit(sheet, '/recovery-codes/new');
    expect(pageName(kept)).toBe('account-recovery-codes');
    expect(kept.html).toContain('Codes left: 10');
    expect(await db('recovery_codes').where({ user_id: user.id })).toHaveLength(10);

    const on = await visitor.open(`${app.issuer}/account/totp`);
    const off = await visitor.submit(on, '/totp/remove');
    expect(off.html).toContain('turned off');
    expect((await db('users').where({ id: user.id }).first()).factors).toEqual([]);
    // They would open nothing now, and something else later.
    expect(await db('recovery_codes').where({ user_id: user.id })).toEqual([]);
  });
});
