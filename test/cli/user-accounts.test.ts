import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createRelyingParty, errorOf } from '../support/relying-party.ts';
import { alertText, createVisitor, pageName, type Visitor } from '../support/visitor.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

const ATTRIBUTES = { PROFILE_ATTRIBUTES: 'department=Department,desk=Desk' };
const CHOSEN = 'walnut-harbor-thimble-77';

let app: TestApp;
let mailbox: Mailbox;
let on: ReturnType<typeof plintoOn>;
let clientId: string;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url, ...ATTRIBUTES });
  on = plintoOn(app.database, { ISSUER: app.issuer, SMTP_URL: mailbox.url, ...ATTRIBUTES });
  clientId = (await app.createClient({ name: 'Notes' })).client.id;
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

async function signIn(
  identifier: string,
  password = PASSWORD,
  visitor: Visitor = createVisitor(),
): Promise<string | undefined> {
  const url = authorizationUrl(app, clientId);
  const page = await visitor.signIn(url, CALLBACK, { identifier, password });
  return page.url.startsWith(CALLBACK) ? 'signed in' : alertText(page);
}

/** Whether a browser that was signed in still is. */
async function isSignedIn(visitor: Visitor): Promise<boolean> {
  const page = await visitor.open(authorizationUrl(app, clientId, { prompt: 'none' }), CALLBACK);
  return new URL(page.url).searchParams.has('code');
}

const findUser = (id: string): Promise<User | undefined> =>
  app.runtime.deps.db('users').where({ id }).first();

/** What the log says that the command line did to a user. */
function auditedOf(id: string): Promise<{ type: string; data: unknown }[]> {
  const { db } = app.runtime.deps;
  const events = db('audit_events').where({ user_id: id, actor: ACTOR });
  return events.orderBy('id').select('type', 'data');
}

test('who is invited takes the account over with the mailed link', async () => {
  const invited = await jsonOf<{ id: string }>(
    on([
      ...['user', 'invite', '--email', 'grace@EXAMPLE.com', '--given-name', 'Grace'],
      ...['--family-name', 'Hopper', '--locale', 'de', '--app', clientId, '--json'],
    ]),
  );
  expect(invited).toEqual({
    id: expect.any(String),
    email: 'grace@example.com',
    expires_in: 7 * 86_400,
    // The link was mailed, and is nobody else's to use.
    link: null,
  });
  const mail = await mailbox.waitFor('grace@example.com');
  expect(mail.subject).toBe('Ihre Einladung zu Plinto');
  const visitor = createVisitor();
  const page = await visitor.open(linkIn(mail));
  expect(page.html).toContain('value="Hopper"');
  const done = await visitor.submit(page, new URL(page.url).pathname, {
    given_name: 'Grace',
    family_name: 'Hopper',
    new_password: CHOSEN,
  });
  expect([done.status, pageName(done)]).toEqual([200, 'invitation']);
  expect(await signIn('grace@example.com', CHOSEN)).toBe('signed in');
  expect(await findUser(invited.id)).toMatchObject({
    given_name: 'Grace',
    email_verified_at: expect.any(Date),
  });
  expect(await auditedOf(invited.id)).toEqual([
    { type: 'user.created', data: { administrator: false } },
    { type: 'user.invited', data: {} },
  ]);
});

test('without mail the invitation is printed', async () => {
  const silent = plintoOn(app.database, { ISSUER: app.issuer });
  const { stdout } = await silent(['user', 'invite', '--email', 'hand@example.com']);
  expect(stdout).toMatch(/^Mail is off, so give hand@example\.com this link yourself/);
  const page = await createVisitor().open(linkIn({ text: stdout } as never));
  expect(pageName(page)).toBe('invitation');
});

test('a password that is reset stops working at once, and a mailed link sets another', async () => {
  const user = await app.createUser({ email: 'reset@example.com' });
  const visitor = createVisitor();
  expect(await signIn('reset@example.com', PASSWORD, visitor)).toBe('signed in');
  const said = await on(['user', 'reset-password', 'reset@example.com']);
  expect(said).toMatchObject({ code: 0, stderr: '' });
  expect(said.stdout).toContain('is on its way to reset@example.com; it works for 24 h');
  expect(await isSignedIn(visitor)).toBe(false);
  expect(await signIn('reset@example.com')).not.toBe('signed in');

  const mail = await mailbox.waitFor('reset@example.com');
  expect(said.stdout).not.toContain(linkIn(mail));
  expect(mail.text).toContain('The link works once, for 1 day.');
  const page = await visitor.open(linkIn(mail));
  const done = await visitor.submit(page, new URL(page.url).pathname, { new_password: CHOSEN });
  expect(pageName(done)).toBe('reset-password-done');
  expect(await signIn('reset@example.com', CHOSEN)).toBe('signed in');
  expect(await auditedOf(user.id)).toEqual([{ type: 'password.reset_required', data: {} }]);
});

test('what is known of a user is changed, field by field, whatever their status', async () => {
  const user = await app.createUser({ email: 'kim@example.com', username: 'kim' });
  const { db } = app.runtime.deps;
  await db('users').where({ id: user.id }).update({ status: 'suspended' });
  const changed = await jsonOf(
    on([
      ...['user', 'update', 'kim', '--username', 'kimberly', '--given-name', 'Kim\x1b[31m'],
      ...['--family-name', 'Possible', '--nickname', 'KP', '--locale', 'DE-at', '--name', ''],
      ...['--zoneinfo', 'Europe/Vienna', '--attribute', 'department=Search=Rescue'],
      ...['--attribute', 'desk=4', '--json'],
    ]),
  );
  expect(changed).toMatchObject({
    id: user.id,
    status: 'suspended',
    email: 'kim@example.com',
    username: 'kimberly',
    name: null,
    given_name: 'Kim [31m',
    family_name: 'Possible',
    nickname: 'KP',
    locale: 'de-AT',
    zoneinfo: 'Europe/Vienna',
    attributes: { department: 'Search=Rescue', desk: '4' },
  });
  const again = await on([
    'user',
    'update',
    'kimberly',
    '--nickname',
    'KP',
    '--attribute',
    'desk=',
  ]);
  expect(again).toMatchObject({ code: 0, stdout: 'Changed kim@example.com.\n' });
  const shown = await on(['user', 'show', 'kimberly']);
  expect(shown.stdout).toMatch(/^attributes +\{"department":"Search=Rescue"\}$/m);
  const fields = ['name', 'given_name', 'family_name', 'nickname', 'username', 'locale'];
  expect(await auditedOf(user.id)).toEqual([
    {
      type: 'profile.updated',
      data: { fields: [...fields, 'zoneinfo', 'attribute_department', 'attribute_desk'] },
    },
    { type: 'profile.updated', data: { fields: ['attribute_desk'] } },
  ]);
});

test('another address is told to the one before; a number is noted, vouched for, taken away', async () => {
  const user = await app.createUser({ email: 'old@example.com', username: 'mover' });
  const update = (...args: string[]) => on(['user', 'update', 'mover', ...args]);
  const moved = await jsonOf(
    update('--email', 'new@EXAMPLE.com', '--phone-number', '+49 (30) 901-820', '--json'),
  );
  expect(moved).toMatchObject({
    email: 'new@example.com',
    email_verified: false,
    phone_number: '+4930901820',
    phone_number_verified: false,
  });
  const mail = await mailbox.waitFor('old@example.com');
  expect(mail.text).toContain('n•••@example.com');
  const vouched = await jsonOf(
    update(
      ...['--email', 'newer@example.com', '--email-verified'],
      ...['--phone-number', '+4930901820', '--phone-verified', '--json'],
    ),
  );
  expect(vouched).toMatchObject({
    email: 'newer@example.com',
    email_verified: true,
    phone_number_verified: true,
  });
  const gone = await jsonOf(update('--email', '', '--phone-number', '', '--json'));
  expect(gone).toMatchObject({ email: null, email_verified: false, phone_number: null });
  await mailbox.waitFor('newer@example.com');
  expect(await auditedOf(user.id)).toEqual([
    { type: 'email.changed', data: {} },
    { type: 'profile.updated', data: { fields: ['phone_number'] } },
    { type: 'email.changed', data: {} },
    { type: 'email.verified', data: {} },
    { type: 'phone.verified', data: {} },
    { type: 'email.changed', data: {} },
    { type: 'phone.removed', data: {} },
  ]);
});

test('an address is vouched for, and a picture taken away, once', async () => {
  const { db } = app.runtime.deps;
  const user = await app.createUser({ email: 'face@example.com', emailVerified: false });
  await db('pictures').insert({ id: 'p', user_id: user.id, content: Buffer.from('x') });
  await db('users')
    .where({ id: user.id })
    .update({ picture: `${app.issuer}/pictures/p.webp` });
  for (const command of ['verify-email', 'remove-picture', 'verify-email', 'remove-picture']) {
    expect(await on(['user', command, 'face@example.com'])).toMatchObject({ code: 0, stderr: '' });
  }
  expect(await findUser(user.id)).toMatchObject({
    email_verified_at: expect.any(Date),
    picture: null,
  });
  expect(await db('pictures').where({ user_id: user.id })).toEqual([]);
  expect(await auditedOf(user.id)).toEqual([
    { type: 'email.verified', data: {} },
    { type: 'profile.updated', data: { fields: ['picture'] } },
  ]);
});

test('sessions are listed; one is ended, then all with what apps do without one', async () => {
  const user = await app.createUser({ email: 'many@example.com' });
  const firefox = createVisitor({
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  });
  const other = createVisitor();
  await signIn('many@example.com', PASSWORD, firefox);
  await signIn('many@example.com', PASSWORD, other);
  const { items } = await jsonOf<{ items: Record<string, unknown>[] }>(
    on(['user', 'sessions', 'many@example.com', '--json']),
  );
  expect(items).toHaveLength(2);
  const session = items.find(({ device }) => device === 'Firefox, Linux');
  expect(session).toEqual({
    id: expect.stringMatching(/^[\w-]{22}$/),
    device: 'Firefox, Linux',
    place: null,
    ip: expect.stringContaining('127.0.0.1'),
    signed_in: expect.stringMatching(/Z$/),
    last_seen: expect.stringMatching(/Z$/),
    amr: ['pwd'],
    user_agent: expect.stringContaining('Firefox/140.0'),
    expires_at: expect.stringMatching(/Z$/),
  });
  const end = (...args: string[]) => on(['user', 'end-session', 'many@example.com', ...args]);
  const one = await end(String(session?.id));
  expect(one).toMatchObject({ code: 0, stdout: 'Ended a session of many@example.com.\n' });
  expect([await isSignedIn(firefox), await isSignedIn(other)]).toEqual([false, true]);
  await expectFailure(end(String(session?.id)), 'has no session');

  const party = await createRelyingParty(app, { scope: 'openid offline_access' });
  const tokens = await party.signIn(
    { scope: 'openid offline_access' },
    { identifier: 'many@example.com' },
  );
  expect(await jsonOf(end('--all', '--json'))).toEqual({ id: user.id, ended: 2 });
  expect(await isSignedIn(other)).toBe(false);
  const refreshed = oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
  expect(await errorOf(refreshed)).toBe('invalid_grant');
  const none = await on(['user', 'sessions', 'many@example.com']);
  expect(none.stdout).toBe('many@example.com is not signed in anywhere.\n');
  expect(await auditedOf(user.id)).toEqual([
    { type: 'session.ended', data: {} },
    { type: 'session.ended', data: { everything: true } },
  ]);
});

test('connected apps are listed, and one is taken its access', async () => {
  const user = await app.createUser({ email: 'apps@example.com' });
  const party = await createRelyingParty(app, { name: 'Mail', scope: 'openid email' });
  const tokens = await party.signIn({ scope: 'openid email' }, { identifier: 'apps@example.com' });
  const { items } = await jsonOf<{ items: unknown[] }>(
    on(['user', 'apps', 'apps@example.com', '--json']),
  );
  expect(items).toEqual([
    {
      client: party.client.id,
      name: 'Mail',
      since: expect.stringMatching(/Z$/),
      last_used: expect.stringMatching(/Z$/),
      scopes: ['openid', 'email'],
      claims: [],
      resources: {},
    },
  ]);
  const revoke = () => on(['user', 'revoke-app', 'apps@example.com', party.client.id]);
  expect(await revoke()).toMatchObject({ code: 0, stderr: '' });
  const asked = oidc.fetchUserInfo(party.config, tokens.access_token, user.id);
  expect(await errorOf(asked)).toBe('invalid_token');
  const none = await on(['user', 'apps', 'apps@example.com']);
  expect(none.stdout).toBe('No app is connected to apps@example.com.\n');
  await expectFailure(revoke(), 'is connected to apps@example.com: `plinto user apps` lists them');
  expect(await auditedOf(user.id)).toEqual([{ type: 'consent.revoked', data: {} }]);
});

test('what happened with an account is shown with who did it, as a table, JSON and CSV', async () => {
  await app.createUser({ email: 'log@example.com' });
  await on(['user', 'update', 'log@example.com', '--nickname', 'One']);
  await on(['user', 'update', 'log@example.com', '--nickname', 'Two']);
  const show = (...args: string[]) => on(['user', 'activity', 'log@example.com', ...args]);
  type Events = { items: { id: string }[]; next: string | null };
  const first = await jsonOf<Events>(show('--limit', '1', '--json'));
  expect(first.items).toEqual([
    {
      id: expect.any(String),
      at: expect.stringMatching(/Z$/),
      type: 'profile.updated',
      actor: ACTOR,
      client: null,
      ip: null,
      device: null,
      user_agent: null,
      request_id: null,
      data: { fields: ['nickname'] },
    },
  ]);
  expect(first.next).toBe(first.items[0]?.id);
  const second = await jsonOf<Events>(show('--after', String(first.next), '--json'));
  expect(second).toMatchObject({
    items: [
      { type: 'profile.updated', actor: ACTOR },
      { type: 'password.set', actor: 'system' },
      { type: 'user.created', actor: 'system' },
    ],
    next: null,
  });
  const table = await show('--type', 'user.created', '--type', 'password');
  expect(table.stdout.split('\n').map((line) => line.split(/ +/)[1])).toEqual([
    'TYPE',
    'password.set',
    'user.created',
    undefined,
  ]);
  const csv = await show('--csv', '--type', 'profile');
  expect(csv.stdout.split('\n')).toEqual([
    '"id","at","type","actor","client","ip","user_agent","request_id","data"',
    ...[first, second].map(({ items }) =>
      expect.stringMatching(
        new RegExp(`^"${items[0]?.id}",".*Z","profile.updated","${ACTOR}","","","","","{""fields`),
      ),
    ),
    '',
  ]);
});

test.each<{ args: string[]; says: string | RegExp; env?: Record<string, string> }>([
  { args: ['reset-password', 'nobody'], says: 'there is no user nobody' },
  { args: ['reset-password', 'nomail'], says: /nomail has no email address.*--temporary/ },
  {
    args: ['reset-password', 'taken'],
    says: /mail is off: set SMTP_URL, or use `plinto user set-password --temporary`/,
    env: { SMTP_URL: '' },
  },
  { args: ['reset-password', 'gone'], says: "gone@example.com can't sign in" },
  { args: ['update', 'taken'], says: 'say what to change' },
  { args: ['update', 'taken', '--username', 'NOMAIL'], says: 'is the name of somebody else' },
  { args: ['update', 'taken', '--username', 'a b'], says: '--username must have 1 to 64 letters' },
  { args: ['update', 'nomail', '--username', ''], says: 'somebody who has no email address' },
  { args: ['update', 'taken', '--locale', 'x y'], says: '--locale x y is no language tag' },
  { args: ['update', 'taken', '--zoneinfo', 'Moon'], says: '--zoneinfo is not known: time zones' },
  {
    args: ['update', 'taken', '--given-name', 'x'.repeat(201)],
    says: '--given-name has more than',
  },
  { args: ['update', 'taken', '--attribute', 'desk'], says: '--attribute desk lacks a value' },
  {
    args: ['update', 'taken', '--attribute', 'administrator=true'],
    says: 'there is no attribute administrator: PROFILE_ATTRIBUTES has department, desk',
  },
  { args: ['update', 'taken', '--email', 'a@b,c@d'], says: 'not one plain email address' },
  { args: ['update', 'nomail', '--email', 'Taken@example.com'], says: 'has this email address' },
  { args: ['update', 'taken', '--email-verified'], says: '--email-verified goes with --email' },
  { args: ['update', 'taken', '--phone-number', '030 1'], says: 'with its country code' },
  { args: ['update', 'taken', '--phone-verified'], says: 'goes with --phone-number' },
  { args: ['activity', 'taken', '--after', 'x'], says: '--after x is no id' },
  { args: ['end-session', 'taken'], says: 'name one session' },
  { args: ['end-session', 'taken', 'x', '--all'], says: 'name one session' },
  { args: ['end-session', 'taken', 'x'], says: 'taken@example.com has no session x' },
  { args: ['verify-email', 'nomail'], says: 'nomail has no email address' },
  { args: ['invite', '--email', 'a@b,c@d'], says: 'not one plain email address' },
  { args: ['invite', '--email', 'Taken@example.com'], says: 'and an account already' },
  { args: ['invite', '--email', 'new@example.com', '--app', 'x'], says: 'there is no such app' },
  {
    args: ['invite', '--email', 'new@example.com'],
    says: 'nobody can join while SIGN_UP is closed',
    env: { SIGN_UP: 'closed' },
  },
])('user $args is refused: $says', async ({ args, says, env = {} }) => {
  await seed();
  const before = await snapshot();
  const settings = { ISSUER: app.issuer, SMTP_URL: mailbox.url, ...ATTRIBUTES, ...env };
  await expectFailure(plintoOn(app.database, settings)(['user', ...args]), says);
  expect(await snapshot()).toEqual(before);
});

let seeded: Promise<unknown> | undefined;

/** People whom commands can't do everything to. */
function seed(): Promise<unknown> {
  seeded ??= Promise.all([
    app.createUser({ email: 'taken@example.com', username: 'taken' }),
    app.createUser({ email: undefined, username: 'nomail' }),
    app
      .createUser({ email: 'gone@example.com', username: 'gone' })
      .then(({ id }) => app.runtime.deps.db('users').where({ id }).update({ status: 'suspended' })),
  ]);
  return seeded;
}

/** Everything that a refused command must leave as it is. */
async function snapshot(): Promise<unknown[]> {
  const { db } = app.runtime.deps;
  const names = ['users', 'passwords', 'audit_events', 'one_time_codes'];
  return Promise.all(
    names.map((name) => db(name).orderBy(name === 'passwords' ? 'user_id' : 'id')),
  );
}
