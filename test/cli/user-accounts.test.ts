import { afterAll, beforeAll, expect, test } from 'vitest';
import { PASSWORD } from '../support/app.ts';
import { linkIn } from '../support/mailbox.ts';
import { createVisitor, pageName } from '../support/visitor.ts';
import { type AccountApp, startAccountApp } from './account-app.ts';
import { jsonOf, plintoOn } from './plinto.ts';

const CHOSEN = 'walnut-harbor-thimble-77';

let at: AccountApp;

beforeAll(async () => {
  at = await startAccountApp({ PROFILE_ATTRIBUTES: 'department=Department,desk=Desk' });
});
afterAll(() => at.stop());

test('who is invited takes the account over with the mailed link', async () => {
  const invited = await jsonOf<{ id: string }>(
    at.user([
      ...['invite', '--email', 'grace@EXAMPLE.com', '--name', 'Grace M. Hopper'],
      ...['--given-name', 'Grace'],
      ...['--family-name', 'Hopper', '--locale', 'de', '--app', at.clientId, '--json'],
    ]),
  );
  expect(invited).toEqual({
    id: expect.any(String),
    email: 'grace@example.com',
    expires_in: 7 * 86_400,
    // The link was mailed, and is nobody else's to use.
    link: null,
  });
  const mail = await at.mailbox.waitFor('grace@example.com');
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
  expect(await at.signIn('grace@example.com', CHOSEN)).toBe('signed in');
  expect(await at.find(invited.id)).toMatchObject({
    name: 'Grace M. Hopper',
    given_name: 'Grace',
    email_verified_at: expect.any(Date),
  });
  expect(await at.auditedOf(invited.id)).toEqual([
    { type: 'user.created', data: { administrator: false } },
    { type: 'user.invited', data: {} },
  ]);
});

test('without mail the invitation is printed', async () => {
  const silent = plintoOn(at.app.database, { ISSUER: at.app.issuer });
  const { stdout } = await silent(['user', 'invite', '--email', 'hand@example.com']);
  expect(stdout).toMatch(/^Mail is off, so give hand@example\.com this link yourself/);
  const page = await createVisitor().open(linkIn({ text: stdout } as never));
  expect(pageName(page)).toBe('invitation');
});

test('a password that is reset stops working at once, and a mailed link sets another', async () => {
  const user = await at.app.createUser({ email: 'reset@example.com' });
  const visitor = createVisitor();
  expect(await at.signIn('reset@example.com', PASSWORD, visitor)).toBe('signed in');
  const said = await at.user(['reset-password', 'reset@example.com']);
  expect(said).toMatchObject({ code: 0, stderr: '' });
  expect(said.stdout).toContain('is on its way to reset@example.com; it works for 24 h');
  expect(await at.isSignedIn(visitor)).toBe(false);
  expect(await at.signIn('reset@example.com')).not.toBe('signed in');

  const mail = await at.mailbox.waitFor('reset@example.com');
  expect(said.stdout).not.toContain(linkIn(mail));
  expect(mail.text).toContain('The link works once, for 1 day.');
  const page = await visitor.open(linkIn(mail));
  const done = await visitor.submit(page, new URL(page.url).pathname, { new_password: CHOSEN });
  expect(pageName(done)).toBe('reset-password-done');
  expect(await at.signIn('reset@example.com', CHOSEN)).toBe('signed in');
  expect(await at.auditedOf(user.id)).toEqual([{ type: 'password.reset_required', data: {} }]);
});

test('what is known of a user is changed, field by field, whatever their status', async () => {
  const user = await at.app.createUser({ email: 'kim@example.com', username: 'kim' });
  const { db } = at.app.runtime.deps;
  await db('users').where({ id: user.id }).update({ status: 'suspended' });
  const changed = await jsonOf(
    at.user([
      ...['update', 'kim', '--username', 'kimberly', '--given-name', 'Kim\x1b[31m'],
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
  const again = await at.user(['update', 'kimberly', '--nickname', 'KP', '--attribute', 'desk=']);
  expect(again).toMatchObject({ code: 0, stdout: 'Changed kim@example.com.\n' });
  const shown = await at.user(['show', 'kimberly']);
  expect(shown.stdout).toMatch(/^attributes +\{"department":"Search=Rescue"\}$/m);
  const fields = ['name', 'given_name', 'family_name', 'nickname', 'username', 'locale'];
  expect(await at.auditedOf(user.id)).toEqual([
    {
      type: 'profile.updated',
      data: { fields: [...fields, 'zoneinfo', 'attribute_department', 'attribute_desk'] },
    },
    { type: 'profile.updated', data: { fields: ['attribute_desk'] } },
  ]);
});

test('another address is told to the one before; a number is noted, vouched for, taken away', async () => {
  const user = await at.app.createUser({ email: 'old@example.com', username: 'mover' });
  const update = (...args: string[]) => at.user(['update', 'mover', ...args]);
  const moved = await jsonOf(
    update('--email', 'new@EXAMPLE.com', '--phone-number', '+49 (30) 901-820', '--json'),
  );
  expect(moved).toMatchObject({
    email: 'new@example.com',
    email_verified: false,
    phone_number: '+4930901820',
    phone_number_verified: false,
  });
  const mail = await at.mailbox.waitFor('old@example.com');
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
  await at.mailbox.waitFor('newer@example.com');
  expect(await at.auditedOf(user.id)).toEqual([
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
  const { db } = at.app.runtime.deps;
  const user = await at.app.createUser({ email: 'face@example.com', emailVerified: false });
  await db('pictures').insert({ id: 'p', user_id: user.id, content: Buffer.from('x') });
  await db('users')
    .where({ id: user.id })
    .update({ picture: `${at.app.issuer}/pictures/p.webp` });
  for (const command of ['verify-email', 'remove-picture', 'verify-email', 'remove-picture']) {
    expect(await at.user([command, 'face@example.com'])).toMatchObject({ code: 0, stderr: '' });
  }
  expect(await at.find(user.id)).toMatchObject({
    email_verified_at: expect.any(Date),
    picture: null,
  });
  expect(await db('pictures').where({ user_id: user.id })).toEqual([]);
  expect(await at.auditedOf(user.id)).toEqual([
    { type: 'email.verified', data: {} },
    { type: 'profile.updated', data: { fields: ['picture'] } },
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
])('user $args is refused: $says', async ({ args, says, env }) => {
  seeded ??= seed();
  await seeded;
  await at.expectRefusal(args, says, env);
});

let seeded: Promise<unknown> | undefined;

/** People whom commands can't do everything to. */
function seed(): Promise<unknown> {
  const { app } = at;
  const suspend = (id: string) =>
    app.runtime.deps.db('users').where({ id }).update({ status: 'suspended' });
  return Promise.all([
    app.createUser({ email: 'taken@example.com', username: 'taken' }),
    app.createUser({ email: undefined, username: 'nomail' }),
    app.createUser({ email: 'gone@example.com', username: 'gone' }).then(({ id }) => suspend(id)),
  ]);
}
