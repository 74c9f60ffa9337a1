import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, pageName } from '../support/visitor.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

type User = Record<string, unknown> & { id: string };
type Page = { items: User[]; next: string | null };

const CHANGED = 'walnut-harbor-thimble-77';

let app: TestApp;
let on: ReturnType<typeof plintoOn>;
let signInUrl: string;

beforeAll(async () => {
  app = await startApp();
  on = plintoOn(app.database, { ISSUER: app.issuer });
  const { client } = await app.createClient();
  signInUrl = authorizationUrl(app, client.id);
});
afterAll(() => app.stop());

async function signIn(identifier: string, password = PASSWORD): Promise<string | undefined> {
  const page = await createVisitor().signIn(signInUrl, CALLBACK, { identifier, password });
  return page.url.startsWith(CALLBACK) ? 'signed in' : alertText(page);
}

/** What the log says that the command line did to a user. */
function auditedOf(id: string): Promise<{ type: string; data: unknown }[]> {
  const { db } = app.runtime.deps;
  const events = db('audit_events').where({ user_id: id, actor: ACTOR });
  return events.orderBy('id').select('type', 'data');
}

test('a user made beside a running server signs in, is suspended, comes back, gets a new password', async () => {
  const user = await jsonOf<User>(
    on(
      [
        ...['user', 'create', '--email', 'ada@EXAMPLE.com', '--username', 'ada'],
        ...['--name', 'Ada Lovelace', '--given-name', 'Ada', '--family-name', 'Lovelace'],
        ...['--locale', 'en', '--zoneinfo', 'Europe/London', '--email-verified'],
        ...['--password-stdin', '--json'],
      ],
      `${PASSWORD}\n`,
    ),
  );
  expect(user).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    status: 'active',
    administrator: false,
    email: 'ada@example.com',
    email_verified: true,
    username: 'ada',
    name: 'Ada Lovelace',
    given_name: 'Ada',
    family_name: 'Lovelace',
    nickname: null,
    picture: null,
    phone_number: null,
    phone_number_verified: false,
    attributes: null,
    locale: 'en',
    zoneinfo: 'Europe/London',
    terms_accepted_at: null,
    delete_after: null,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    updated_at: expect.any(String),
  });
  expect(await signIn('ada')).toBe('signed in');

  expect(await jsonOf(on(['user', 'suspend', 'ada@example.com', '--json']))).toMatchObject({
    id: user.id,
    status: 'suspended',
  });
  expect(await signIn('ada')).not.toBe('signed in');
  expect(await on(['user', 'suspend', 'ada'])).toMatchObject({
    code: 0,
    stdout: 'ada@example.com is suspended already.\n',
  });
  expect(await on(['user', 'activate', user.id])).toMatchObject({
    code: 0,
    stdout: 'ada@example.com can sign in again.\n',
  });
  const set = await on(['user', 'set-password', 'ADA', '--password-stdin'], `${CHANGED}\n`);
  expect(set).toMatchObject({ code: 0, stderr: '' });
  expect(set.stdout).not.toContain(CHANGED);
  expect(await signIn('ada')).not.toBe('signed in');
  expect(await signIn('ada', CHANGED)).toBe('signed in');

  expect(await auditedOf(user.id)).toEqual([
    { type: 'user.created', data: { administrator: false } },
    { type: 'password.set', data: {} },
    { type: 'user.suspended', data: {} },
    { type: 'user.activated', data: {} },
    { type: 'password.set', data: {} },
  ]);
  const shown = await on(['user', 'show', 'ada']);
  expect(shown.stdout).toMatch(/^email +ada@example\.com$/m);
  expect(shown.stdout).toMatch(/^status +active$/m);
});

test('an administrator who is made so turns on a second factor before anything else', async () => {
  const create = ['user', 'create', '--username', 'boss', '--administrator', '--password-stdin'];
  const boss = await jsonOf<User>(on([...create, '--json'], PASSWORD));
  expect(boss).toMatchObject({ administrator: true });
  expect(await auditedOf(boss.id)).toMatchObject([
    { type: 'user.created', data: { administrator: true } },
    { type: 'password.set' },
  ]);
  const credentials = { identifier: 'boss', password: PASSWORD };
  const page = await createVisitor().signIn(signInUrl, CALLBACK, credentials);
  expect(pageName(page)).toMatch(/^enrol-/);
});

test('users are listed page by page, in order of creation, and found by how they begin', async () => {
  for (const username of ['page-1', 'page-2', 'page-3']) {
    await app.createUser({ email: undefined, username, profile: { name: 'evil\x1b[31m\u202e' } });
  }
  const list = (...args: string[]) => on(['user', 'list', '--search', 'PAGE-', ...args]);
  const first = await jsonOf<Page>(list('--limit', '2', '--json'));
  expect(first.items.map(({ username }) => username)).toEqual(['page-1', 'page-2']);
  expect(first.next).toBe(first.items[1]?.id);
  const second = await jsonOf<Page>(list('--after', String(first.next), '--json'));
  expect(second).toMatchObject({ items: [{ username: 'page-3' }], next: null });

  const table = await list('--limit', '2');
  expect(table.stdout).toMatch(/^ID +EMAIL +USERNAME +NAME +STATUS +ADMINISTRATOR\n/);
  expect(table.stdout).toContain(`There are more: --after ${first.next}\n`);
  // A terminal obeys control characters, and a person may have named themselves with some.
  expect(table.stdout).not.toContain('\x1b');
  expect(table.stdout).not.toContain('\u202e');
});

test.each<{ args: string[]; input?: string; says: string }>([
  { args: ['show', 'nobody'], says: 'there is no user nobody: `plinto user list` shows' },
  { args: ['suspend', crypto.randomUUID()], says: 'there is no user' },
  { args: ['activate', 'nobody@example.com'], says: 'there is no user nobody@example.com' },
  { args: ['set-password', 'nobody', '--password-stdin'], says: 'there is no user nobody' },
  { args: ['list', '--after', 'x'], says: '--after x is no id' },
  { args: ['create', '--no-password'], says: 'name the user with --email, --username or both' },
  { args: ['create', '--username', 'a@b', '--no-password'], says: 'a username has 1 to 64' },
  { args: ['create', '--email', 'a@b,c@d', '--no-password'], says: 'not one plain email address' },
  { args: ['create', '--username', 'Taken', '--no-password'], says: 'has this username already' },
  {
    args: ['create', '--email', 'Taken@example.com', '--no-password'],
    says: 'has this email address already',
  },
  { args: ['create', '--username', 'bob'], says: 'pipe it in with --password-stdin' },
  { args: ['create', '--username', 'bob', '--password-stdin'], says: 'holds no password' },
  {
    args: ['create', '--username', 'bob', '--password-stdin'],
    input: 'short',
    says: 'fewer than 15 characters',
  },
  {
    args: ['create', '--username', 'bob', '--password-stdin'],
    input: 'passwordpassword',
    says: 'too easy to guess',
  },
  {
    args: ['create', '--username', 'bartholomew', '--password-stdin'],
    input: 'bartholomew-plinto',
    says: "made of the person's or the product's name",
  },
  {
    args: ['set-password', 'taken', '--password-stdin'],
    input: 'x'.repeat(257),
    says: 'more than 256 characters',
  },
])('user $args is refused: $says', async ({ args, input, says }) => {
  const { db } = app.runtime.deps;
  if ((await db('users').where({ username: 'taken' }).first()) === undefined) {
    await app.createUser({ email: 'taken@example.com', username: 'taken' });
  }
  await expectFailure(on(['user', ...args], input), says);
  const bob = await db('users').whereIn('username', ['bob', 'bartholomew']);
  expect(bob).toEqual([]);
});

test('setup-link makes a link that works until the next one is made', async () => {
  const first = await jsonOf<{ link: string }>(on(['setup-link', '--json']));
  const second = await on(['setup-link']);
  const [link] = second.stdout.split('\n');
  expect(first).toEqual({
    link: expect.stringContaining(`${app.issuer}/setup/`),
    expires_in: 86_400,
  });
  expect((await fetch(first.link)).status).toBe(400);
  expect((await fetch(String(link))).status).toBe(200);
  const { db } = app.runtime.deps;
  const events = await db('audit_events').where({ type: 'setup.link_created', actor: ACTOR });
  expect(events).toHaveLength(2);
});
