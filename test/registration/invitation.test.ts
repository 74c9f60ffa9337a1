import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { type Invitation, inviteUser } from '../../src/registration/invite-user.ts';
import { CALLBACK } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn } from '../support/mailbox.ts';
import { createRelyingParty, errorOf } from '../support/relying-party.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import {
  NEW_PASSWORD,
  post,
  type RegistrationApp,
  startRegistrationApp,
  usersWith,
} from './registration-app.ts';

const ADMINISTRATOR = { actor: 'cli:test' };

let app: RegistrationApp;

beforeAll(async () => {
  app = await startRegistrationApp({
    SIGN_UP: 'invitation',
    TERMS_URL: 'https://example.com/terms',
  });
  await app.createUser();
});
afterAll(() => app.stop());

/** Invites as the command line does. */
function invite(invitation: Invitation) {
  const { deps, keyring } = app.runtime;
  const parts = {
    codes: { keys: keyring.codes, randomBytes: deps.randomBytes },
    mailer: createMailer({ enabled: true, boxKeys: keyring.box }),
    issuer: app.issuer,
    signUp: app.config.signUp,
  };
  return transaction(deps.db, (trx) => inviteUser(trx, parts, ADMINISTRATOR, invitation));
}

/** The link of an invitation that was mailed. */
async function invited(email: string, rest: Partial<Invitation> = {}): Promise<string> {
  const after = app.mailbox.messages.length;
  expect(await invite({ email, ...rest })).toMatchObject({ ok: true, mailed: true });
  return linkIn(await app.mailbox.waitFor(email, { after }));
}

const FORM = {
  given_name: 'Grace',
  family_name: 'Hopper',
  new_password: NEW_PASSWORD,
  terms: 'yes',
};
const suffixOf = (link: string) => new URL(link).pathname;

async function accept(link: string, fields: Record<string, string> = FORM): Promise<Page> {
  const visitor = createVisitor();
  return visitor.submit(await visitor.open(link), suffixOf(link), fields);
}

async function eventsOf(email: string): Promise<{ type: string; actor: string }[]> {
  const [user] = await usersWith(app, email);
  return app.runtime.deps
    .db('audit_events')
    .where({ user_id: user?.id as string })
    .orderBy('id')
    .select('type', 'actor');
}

describe('an invitation', () => {
  test('makes an account that its mail opens, with a password and a verified address', async () => {
    const email = 'grace@example.com';
    const link = await invited(email, { givenName: 'Amazing', locale: 'de' });
    const mail = await app.mailbox.waitFor(email);
    expect(mail.subject).toContain('Einladung');
    expect(mail.text).toContain('7');
    expect(link.startsWith(`${app.issuer}/invitation/`)).toBe(true);
    expect(await usersWith(app, email)).toMatchObject([
      { email_verified_at: null, given_name: 'Amazing', administrator: false },
    ]);

    const visitor = createVisitor();
    const page = await visitor.open(link);
    expect(pageName(page)).toBe('invitation');
    expect(page.html).toContain(email);
    expect(page.html).toContain('value="Amazing"');
    const done = await visitor.submit(page, suffixOf(link), FORM);
    expect(done.url).toBe(`${link}/done`);
    expect(done.html).toContain('href="/account"');
    const [user] = await usersWith(app, email);
    expect(user).toMatchObject({ given_name: 'Grace', family_name: 'Hopper', locale: 'en' });
    expect(user?.email_verified_at).toBeInstanceOf(Date);
    expect(user?.terms_accepted_at).toBeInstanceOf(Date);
    expect(await eventsOf(email)).toEqual([
      { type: 'user.created', actor: 'cli:test' },
      { type: 'user.invited', actor: 'cli:test' },
      { type: 'password.set', actor: `user:${user?.id}` },
      { type: 'user.invitation_accepted', actor: `user:${user?.id}` },
    ]);
    const back = await createVisitor().signIn(authorizationUrl(app, app.clientId), CALLBACK, {
      identifier: email,
      password: NEW_PASSWORD,
    });
    expect(back.url).toContain('code=');
  });

  test('opens nothing any more once its address was proven in another way', async () => {
    const email = 'elsewhere@example.com';
    const link = await invited(email);
    const [user] = await usersWith(app, email);
    await app.runtime.deps
      .db('users')
      .where({ id: user?.id })
      .update({ email_verified_at: new Date() });
    expect(pageName(await createVisitor().open(link))).toBe('error');
  });

  test.each([
    ['initiate_login_uri', 'https://notes.example/login', 'https://notes.example/login?iss='],
    ['client_uri', 'https://notes.example/home', 'https://notes.example/home"'],
  ])('leads on to the app it names, by %s', async (name, uri, href) => {
    const { client } = await app.createClient({ name: 'Notes', metadata: { [name]: uri } });
    const link = await invited(`${name}@example.com`, { clientId: client.id });
    const done = await accept(link);
    expect(done.html).toContain(`href="${href}`);
    expect(done.html).toContain('Notes');
  });

  test('is for whom it says, whoever is signed in to the browser', async () => {
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, app.clientId), CALLBACK);
    const link = await invited('somebody@example.com');
    const page = await visitor.open(link);
    expect(page.html).toContain('somebody@example.com');
    const done = await visitor.submit(page, suffixOf(link), FORM);
    expect(done.html).toContain('somebody@example.com');
    const still = await visitor.open(authorizationUrl(app, app.clientId), CALLBACK);
    expect(still.url).toContain('code=');
  });

  test.each([
    ['a short password', { new_password: 'a-few-7x' }, 'at least 15'],
    ['the address as password', { new_password: 'table.tennis.person' }, 'your email address'],
    ['no agreement', { terms: '' }, 'agree to the terms'],
  ])('with %s is shown again with what is wrong', async (name, change, words) => {
    const email = `table.tennis.person@${name.replaceAll(' ', '-')}.example`;
    const link = await invited(email);
    const again = await accept(link, { ...FORM, ...change });
    expect(again.status).toBe(422);
    expect(alertText(again)).toContain(words);
    expect(again.html).toContain('value="Hopper"');
    expect(again.html).not.toContain(`value="${{ ...FORM, ...change }.new_password}"`);
    expect(await usersWith(app, email)).toMatchObject([{ email_verified_at: null }]);
  });

  test('security 25: changes nothing that its form doesn’t ask for', async () => {
    const link = await invited('climber@example.com');
    await accept(link, {
      ...FORM,
      administrator: 'true',
      email: 'ada@example.com',
      status: 'suspended',
      username: 'root',
    });
    expect(await usersWith(app, 'climber@example.com')).toMatchObject([
      { administrator: false, status: 'active', username: null },
    ]);
  });
});

describe('the link', () => {
  test('survives being looked at, is good for one use, and one effect of ten', async () => {
    const email = 'once@example.com';
    const link = await invited(email);
    const visitor = createVisitor();
    for (let time = 0; time < 3; time += 1) await createVisitor().open(link);
    const page = await visitor.open(link);
    const { action, hidden } = findForm(page, suffixOf(link));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => post(visitor, action, { ...hidden, ...FORM })),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify({ status: 303, location: `${suffixOf(link)}/done` })]),
    );
    const types = (await eventsOf(email)).map(({ type }) => type);
    expect(types.filter((type) => type === 'user.invitation_accepted')).toHaveLength(1);
    const hash = async () => (await app.runtime.deps.db('passwords').select('hash')).map(String);
    const before = await hash();
    const other = { ...FORM, new_password: 'another-good-choice-91' };
    await post(visitor, action, { ...hidden, ...other });
    expect(await hash()).toEqual(before);
    const again = await createVisitor().open(link);
    expect(again.status).toBe(400);
    expect(again.html).toContain('Ask for a new one');
  });

  test.each([
    ['is replaced by a newer one', (email: string) => invited(email)],
    [
      'expires',
      (email: string) =>
        app.runtime.deps
          .db('one_time_codes')
          .where({ address: email })
          .update({ expires_at: app.runtime.deps.db.raw("now() - interval '1 second'") }),
    ],
    [
      'ends when the person is suspended',
      (email: string) =>
        app.runtime.deps.db('users').where({ email }).update({ status: 'suspended' }),
    ],
    [
      'ends when the address changes',
      (email: string) =>
        app.runtime.deps
          .db('users')
          .where({ email })
          .update({ email: `new-${email}` }),
    ],
  ])('%s', async (name, change) => {
    const email = `${name.replaceAll(' ', '-')}@example.com`;
    const link = await invited(email);
    const visitor = createVisitor();
    const page = await visitor.open(link);
    await change(email);
    const refused = await visitor.submit(page, suffixOf(link), FORM);
    expect(refused.status).toBe(400);
    expect(pageName(refused)).toBe('error');
    expect((await visitor.open(link)).html).toContain('Ask for a new one');
    const users = await app.runtime.deps.db('users').whereLike('email', `%${email}`);
    expect(users).toMatchObject([{ email_verified_at: null }]);
  });

  test('security 8: of another purpose, altered or made up is worthless', async () => {
    const link = await invited('target@example.com');
    const token = link.split('/').at(-1) ?? '';
    const altered = `${link.slice(0, -1)}${link.endsWith('A') ? 'B' : 'A'}`;
    for (const url of [altered, `${app.issuer}/invitation/x`, `${app.issuer}/setup/${token}`]) {
      expect((await createVisitor().open(url)).status).toBe(400);
    }
    const page = await createVisitor().open(link);
    const { hidden } = findForm(page, suffixOf(link));
    const crossed = await post(createVisitor(), altered, { ...hidden, ...FORM });
    expect(crossed.status).toBe(403);
  });
});

describe('inviting', () => {
  test('again sends another mail and keeps the account', async () => {
    const email = 'twice@example.com';
    await invited(email, { givenName: 'First' });
    const [first] = await usersWith(app, email);
    const link = await invited('Twice@example.com'.replace('T', 't'), { givenName: 'Second' });
    expect(await usersWith(app, email)).toMatchObject([{ id: first?.id, given_name: 'First' }]);
    expect((await accept(link)).status).toBe(200);
    expect(await invite({ email })).toEqual({ ok: false, reason: 'email_taken' });
  });

  test.each([
    ['somebody who has an account', { email: 'ada@example.com' }, 'email_taken'],
    ['two addresses', { email: 'a@b.example,c@d.example' }, 'email_invalid'],
    ['to an app that isn’t', { email: 'x@example.com', clientId: 'nope' }, 'client_unknown'],
  ])('%s is refused', async (_name, invitation, reason) => {
    expect(await invite(invitation)).toEqual({ ok: false, reason });
    expect(await usersWith(app, 'x@example.com')).toEqual([]);
  });

  test('several times at once makes one account and one link that works', async () => {
    const email = 'popular@example.com';
    const results = await Promise.all(Array.from({ length: 8 }, () => invite({ email })));
    expect(results.filter(({ ok }) => ok)).toHaveLength(8);
    expect(await usersWith(app, email)).toHaveLength(1);
    const statuses = await Promise.all(
      results.map(
        async (result) => (await createVisitor().open(result.ok ? result.url : '')).status,
      ),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  });
});

test('security 1: where only invitations are accepted, nobody gets to sign up', async () => {
  const party = await createRelyingParty(app);
  expect(party.config.serverMetadata().prompt_values_supported).not.toContain('create');
  const request = await party.authorize({ prompt: 'create' });
  const back = await createVisitor().open(request.url, CALLBACK);
  expect(await errorOf(request.redeem(back.url))).toBe('invalid_request');
  const visitor = createVisitor();
  const login = await visitor.open(authorizationUrl(app, app.clientId));
  expect(login.html).not.toContain('/register');
  expect(pageName(await visitor.open(`${login.url}/register`))).toBe('login');
  const { hidden } = findForm(login, '/login');
  for (const form of ['register', 'verify-email', 'resend-sign-up']) {
    const answer = await post(visitor, `${login.url}/${form}`, { ...hidden, ...FORM });
    expect(answer.status).toBe(404);
  }
});
