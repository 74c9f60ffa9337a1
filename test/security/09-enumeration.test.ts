import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RecoveryApp, startRecoveryApp } from '../recovery/recovery-app.ts';
import { PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { recordStatements } from '../support/statements.ts';
import { createVisitor, findForm, type Page, type Visitor } from '../support/visitor.ts';

let recovery: RecoveryApp;

const db = () => recovery.app.runtime.deps.db;

beforeAll(async () => {
  recovery = await startRecoveryApp();
  const { app } = recovery;
  await app.createUser();
  await app.createUser({ email: 'unverified@example.com', emailVerified: false });
  await app.createUser({ email: undefined, username: 'noaddress' });
  const suspended = await app.createUser({ email: 'suspended@example.com' });
  await db()('users').where({ id: suspended.id }).update({ status: 'suspended' });
  const nopassword = await app.createUser({ email: 'nopassword@example.com' });
  await db()('passwords').where({ user_id: nopassword.id }).delete();
});
afterAll(() => recovery.stop());

/** Identifiers that must all look like ada@example.com, who has an account. */
const OTHERS = [
  ['an address that nobody has', 'nobody@example.com'],
  ['a username that nobody has', 'nobody'],
  ['an account that is suspended', 'suspended@example.com'],
  ['an account without an address', 'noaddress'],
  ['an account whose address isn’t verified', 'unverified@example.com'],
  ['an account without a password', 'nopassword@example.com'],
] as const;

/** All that a form's answer says, the page after it, and the statements that the server ran. */
async function observe(
  visitor: Visitor,
  url: string,
  fields: Record<string, string>,
): Promise<{ seen: Record<string, unknown>; next: Page }> {
  const { result: response, statements } = await recordStatements(db(), async () => {
    const answer = await visitor.request(url, {
      method: 'POST',
      body: new URLSearchParams(fields),
    });
    await answer.arrayBuffer();
    return answer;
  });
  const location = response.headers.get('location') ?? '';
  const next = await visitor.open(new URL(location, recovery.app.issuer).href);
  const { identifier = '' } = fields;
  const names = [...response.headers.keys()].filter((name) => name !== 'date').sort();
  const html = (identifier === '' ? next.html : next.html.replaceAll(identifier, 'IDENTIFIER'))
    .replace(/interaction\/[\w-]+/g, 'interaction/UID')
    .replace(/(nonce|value)="[\w+/=-]{20,}"/g, '$1=""')
    .replace(/(challenge&#34;:&#34;)[\w-]+/g, '$1');
  const target = location.replace(/interaction\/[\w-]+/, 'interaction/UID');
  // Which of the two is looked for shows in what was typed.
  const asked = statements.map((sql) => sql.replace(/lower\("(email|username)"\)/, 'NAME'));
  return { seen: { status: response.status, target, names, html, asked }, next };
}

type Walk = (visitor: Visitor, start: Page, identifier: string) => Promise<unknown[]>;

/** Submits forms one after the other. */
function walk(...forms: ((identifier: string) => [string, Record<string, string>])[]): Walk {
  return async (visitor, start, identifier) => {
    const { hidden } = findForm(start, '/login');
    const seen = [];
    for (const form of forms) {
      const [name, fields] = form(identifier);
      seen.push((await observe(visitor, `${start.url}/${name}`, { ...hidden, ...fields })).seen);
    }
    return seen.map((one) => ({ ...one, html: String(one.html).replaceAll(identifier, 'WHO') }));
  };
}

const wrongPassword = (identifier: string): [string, Record<string, string>] => [
  'login',
  { identifier, password: 'certainly-not-the-password' },
];
const forget = (identifier: string): [string, Record<string, string>] => [
  'reset-password',
  { identifier },
];
const askCode = (identifier: string): [string, Record<string, string>] => [
  'email-code',
  { identifier },
];
const again = (form: string) => (): [string, Record<string, string>] => [form, {}];
const wrongCode = (): [string, Record<string, string>] => ['code', { code: '1234 567' }];

const WALKS: [string, Walk][] = [
  ['signing in', walk(wrongPassword)],
  ['forgetting a password', walk(forget, again('reset-password'))],
  // Another address between makes each a mail of its own.
  [
    'forgetting it too often',
    walk(
      ...Array(6)
        .fill([forget, () => forget('else@example.com')])
        .flat(),
      forget,
    ),
  ],
  ['asking for a code', walk(askCode, again('email-code'))],
  ['typing wrong codes', walk(askCode, ...Array(6).fill(wrongCode))],
];

describe('security 9: nobody learns who has an account', () => {
  /** In a browser that was used to sign in, too: it has a cookie to be known by. */
  async function observeAll(does: Walk, identifier: string, used: boolean): Promise<unknown> {
    const visitor = createVisitor();
    if (used) {
      await db()('throttles').delete();
      await recovery.signIn('helper@example.com', PASSWORD, visitor);
      await visitor.jar.store.removeCookie('localhost', '/', 'plinto_session');
    }
    await db()('throttles').delete();
    const start = await visitor.open(authorizationUrl(recovery.app, recovery.clientId));
    return does(visitor, start, identifier);
  }

  beforeAll(async () => {
    await recovery.app.createUser({ email: 'helper@example.com' });
  });

  test.each(WALKS)('security 9: by %s', async (_, does) => {
    for (const used of [false, true]) {
      const known = await observeAll(does, 'ada@example.com', used);
      for (const [what, identifier] of OTHERS) {
        expect(await observeAll(does, identifier, used), what).toEqual(known);
      }
    }
  });

  test('security 9: an app, a redirect and a login hint say nothing about accounts', async () => {
    const pages = await Promise.all(
      ['ada@example.com', 'nobody@example.com'].map(async (login_hint) => {
        const url = authorizationUrl(recovery.app, recovery.clientId, { login_hint });
        const page = await createVisitor().open(url);
        return page.html
          .replaceAll(login_hint, '')
          .replace(/[\w+/-]{40,}(==)?/g, '')
          .replace(/nonce="[^"]*"/g, '');
      }),
    );
    expect(pages[0]).toBe(pages[1]);
  });
});
