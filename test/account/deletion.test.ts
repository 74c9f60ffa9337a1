import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { addJob } from '../../src/jobs/store.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { type Mailbox, type Message, startMailbox } from '../support/mailbox.ts';
import { createRelyingParty, errorOf } from '../support/relying-party.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

let mailbox: Mailbox;
let app: TestApp;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url });
  await app.startReplica();
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

let people = 0;

type Person = { user: User; email: string; visitor: Visitor; page: Page };

/** Somebody who just signed in and looks at the page that deletes their account. */
async function newPerson(on = app, { administrator = false } = {}): Promise<Person> {
  people += 1;
  const email = `person${people}@example.com`;
  const user = await on.createUser({ email });
  const opened = await openAccount(on, email, '/account/delete');
  if (administrator) await appoint(user, on);
  return { user, email, ...opened };
}

/** Makes an administrator of somebody who is signed in, as if they had given a second factor. */
async function appoint({ id }: User, on: TestApp): Promise<void> {
  const { db } = on.runtime.deps;
  await db('users').where({ id }).update({ administrator: true });
  const acr = JSON.stringify('urn:plinto:acr:2fa');
  const payload = db.raw(`jsonb_set(payload::jsonb, '{acr}', ?::jsonb)`, [acr]);
  await db('oidc_sessions').where({ account_id: id }).update({ payload });
}

const confirm = ({ visitor, page, email }: Person, typed = email): Promise<Page> =>
  visitor.submit(page, '/delete', { confirmation: typed });

/** Whether a mail is for this person and has this in its subject. */
const about =
  (email: string, subject: string) =>
  (mail: Message): boolean =>
    mail.recipients.includes(email) && String(mail.subject).includes(subject);

const findRow = (user: User, on = app): Promise<User | undefined> =>
  on.runtime.deps.db('users').where({ id: user.id }).first();

/** Lets everybody's time be up, and every replica look for them at once. */
async function runOut(users: User[]): Promise<void> {
  const { db } = app.runtime.deps;
  const ids = users.map(({ id }) => id);
  const past = db.raw("now() - interval '1 second'");
  await db('users').whereIn('id', ids).update({ delete_after: past });
  await transaction(db, async (trx) => {
    for (let i = 0; i < 6; i += 1) await addJob(trx, 'delete-users', {});
  });
  await vi.waitFor(async () => expect(await db('users').whereIn('id', ids)).toEqual([]), {
    timeout: 25_000,
    interval: 50,
  });
}

describe('the page', () => {
  test('says what goes, what stays and when, and asks for the account’s name', async () => {
    const { page, email } = await newPerson();
    expect(pageName(page)).toBe('account-delete');
    for (const text of ['What goes', 'What stays', 'audit log', '14 days', email]) {
      expect(page.html).toContain(text);
    }
  });

  test('asks for a fresh sign-in', async () => {
    const { user, visitor } = await newPerson();
    const { db } = app.runtime.deps;
    for (const row of await db('oidc_sessions').where({ account_id: user.id })) {
      const payload = { ...row.payload, loginTs: row.payload.loginTs - 601 };
      await db('oidc_sessions').where({ id: row.id }).update({ payload });
    }
    const page = await visitor.open(`${app.issuer}/account/delete`);
    expect(pageName(page)).toBe('password');
    const form = await visitor.submit(page, '/password', { password: PASSWORD });
    expect(pageName(form)).toBe('account-delete');
  });

  test.each(['', 'ada', 'person0@example.com'])('does nothing for %j', async (typed) => {
    const person = await newPerson();
    const page = await confirm(person, typed);
    expect(page.status).toBe(422);
    expect(alertText(page)).toContain('isn’t the name');
    expect((await findRow(person.user))?.delete_after).toBeNull();
  });
});

describe('asking for deletion', () => {
  test('signs out everywhere, says until when, and is told by mail', async () => {
    const party = await createRelyingParty(app);
    const person = await newPerson();
    const { user, email, visitor } = person;
    const scope = { scope: 'openid offline_access' };
    const tokens = await party.signIn(scope, { visitor, identifier: email });
    const other = await openAccount(app, email);
    const done = await confirm(person, ` ${email.toUpperCase()} `);
    expect(done.url).toBe(`${app.issuer}/account/deleted`);
    expect(pageName(done)).toBe('account-deleted');
    expect(done.html).toContain('14 days');
    for (const browser of [visitor, other.visitor]) {
      expect(pageName(await browser.open(`${app.issuer}/account`))).toBe('login');
    }
    const refreshing = oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
    expect(await errorOf(refreshing)).toBe('invalid_grant');
    const days = ((await findRow(user))?.delete_after?.getTime() ?? 0) - Date.now();
    expect(Math.round(days / 86_400_000)).toBe(14);
    expect(await eventsOf(app, user.id)).toContain('user.deletion_requested');
    const mail = await mailbox.waitFor(about(email, 'will be deleted'));
    expect(mail.text).toContain(`${app.issuer}/account`);
  });

  test('security 34: sent ten times at once is one request, and leads to one place', async () => {
    const { user, email, visitor, page } = await newPerson();
    const { action, hidden } = findForm(page, '/delete');
    const body = new URLSearchParams({ ...hidden, confirmation: email });
    const cookie = await visitor.jar.getCookieString(action);
    const send = () =>
      fetch(action, { method: 'POST', body, headers: { cookie }, redirect: 'manual' });
    const answers = await Promise.all(Array.from({ length: 10 }, send));
    for (const answer of [...answers, await send()]) {
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/account/deleted');
    }
    const asked = (await eventsOf(app, user.id)).filter((t) => t === 'user.deletion_requested');
    expect(asked).toHaveLength(1);
  });

  test('security 24: deletes nobody else, whoever a form names', async () => {
    const [mallory, victim] = [await newPerson(), await newPerson()];
    const { hidden } = findForm(victim.page, '/delete');
    await mallory.visitor.submit(mallory.page, '/delete', {
      ...hidden,
      csrf: findForm(mallory.page, '/delete').hidden.csrf ?? '',
      confirmation: mallory.email,
      user_id: victim.user.id,
    });
    expect((await findRow(victim.user))?.delete_after).toBeNull();
    expect((await findRow(mallory.user))?.delete_after).not.toBeNull();
  });

  test('nobody who isn’t signed in learns from the form who asked for deletion', async () => {
    const { user } = await newPerson();
    const answer = await fetch(`${app.issuer}/account/delete`, {
      method: 'POST',
      body: new URLSearchParams({ person: user.id, proof: 'guessed', confirmation: 'x' }),
      redirect: 'manual',
    });
    expect(answer.headers.get('location')).toContain('/authorize?');
  });

  test('is refused to the last administrator, also of two who ask at once', async () => {
    const admins = [
      await newPerson(app, { administrator: true }),
      await newPerson(app, { administrator: true }),
    ];
    const pages = await Promise.all(admins.map((admin) => confirm(admin)));
    expect(pages.map(pageName).sort()).toEqual(['account-delete', 'account-deleted']);
    const refused = pages.find((page) => pageName(page) === 'account-delete') as Page;
    expect(refused.status).toBe(422);
    expect(alertText(refused)).toContain('last administrator');
  });
});

describe('signing in before the time is up', () => {
  test('keeps the account, and says so by mail', async () => {
    const person = await newPerson();
    const { user, email } = person;
    await confirm(person);
    await mailbox.waitFor(about(email, 'will be deleted'));
    const { page } = await openAccount(app, email);
    expect(pageName(page)).toBe('account');
    expect((await findRow(user))?.delete_after).toBeNull();
    const events = await eventsOf(app, user.id);
    expect(events.filter((type) => type === 'user.deletion_cancelled')).toHaveLength(1);
    expect((await mailbox.waitFor(about(email, 'stays'))).text).toContain('/account');
  });

  test('counts only if it was after the account was asked to go', async () => {
    const person = await newPerson();
    const visitor = createVisitor();
    const login = await visitor.open(`${app.issuer}/account`);
    const { action, hidden } = findForm(login, '/login');
    const fields = { identifier: person.email, password: PASSWORD };
    const answer = await visitor.request(action, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, ...fields }),
    });
    await confirm(person);
    const page = await visitor.open(String(answer.headers.get('location')));
    expect(pageName(page)).toBe('login');
    const { db } = app.runtime.deps;
    expect(await db('oidc_sessions').where({ account_id: person.user.id })).toEqual([]);
  });

  test('with a wrong password keeps nothing', async () => {
    const person = await newPerson();
    await confirm(person);
    const visitor = createVisitor();
    const login = await visitor.open(`${app.issuer}/account`);
    await visitor.submit(login, '/login', {
      identifier: person.email,
      password: 'not-it-at-all-1',
    });
    expect((await findRow(person.user))?.delete_after).not.toBeNull();
  });
});

describe('when the time is up', () => {
  test('users go once each, with all that is theirs but the log, however many look for them', async () => {
    const party = await createRelyingParty(app, { firstParty: false });
    const persons = [await newPerson(), await newPerson(), await newPerson()];
    const [first] = persons as [Person];
    const { db } = app.runtime.deps;
    const request = await party.authorize({ scope: 'openid offline_access', prompt: 'consent' });
    const consent = await first.visitor.open(request.url, CALLBACK);
    await request.redeem((await first.visitor.submit(consent, '/consent', {}, CALLBACK)).url);
    await db('pictures').insert({ id: 'some-picture', user_id: first.user.id, content: 'x' });
    const left = await newPerson();
    const before = await rowsAbout(first.user.id);
    expect(Object.values(before).filter((n) => n > 0).length).toBeGreaterThan(7);

    await runOut(persons.map(({ user }) => user));
    expect(await rowsAbout(first.user.id)).toEqual({ audit_events: expect.any(Number) });
    for (const { user, email } of persons) {
      const events = await db('audit_events').where({ type: 'user.deleted', user_id: user.id });
      expect(events).toMatchObject([{ actor: 'system' }]);
      const isGone = about(email, 'was deleted');
      await mailbox.waitFor(isGone);
      expect(mailbox.messages.filter(isGone)).toHaveLength(1);
    }
    expect(await findRow(left.user)).toBeDefined();
  });

  test('the name is free again', async () => {
    const person = await newPerson();
    await confirm(person);
    await runOut([person.user]);
    await expect(app.createUser({ email: person.email })).resolves.toBeDefined();
  });

  test('the last administrator stays, when the others were suspended since', async () => {
    const { db } = app.runtime.deps;
    const admin = await newPerson(app, { administrator: true });
    await newPerson(app, { administrator: true });
    await confirm(admin);
    await db('users')
      .where({ administrator: true })
      .whereNot({ id: admin.user.id })
      .update({ status: 'suspended' });
    const gone = await newPerson();
    await db('users')
      .where({ id: admin.user.id })
      .update({ delete_after: db.raw('now()') });
    await runOut([gone.user]);
    await vi.waitFor(async () => {
      const { rows } = await db.raw(
        "SELECT FROM graphile_worker.jobs WHERE task_identifier = 'delete-users'",
      );
      expect(rows).toEqual([]);
    });
    expect(await findRow(admin.user)).toBeDefined();
  });

  test('who still waits is left alone', async () => {
    const [waiting, due] = [await newPerson(), await newPerson()];
    await confirm(waiting);
    await confirm(due);
    await runOut([due.user]);
    expect(await findRow(waiting.user)).toBeDefined();
  });
});

/** How many rows of every table name a user, in whichever column does; tables with none left out. */
async function rowsAbout(userId: string): Promise<Record<string, number>> {
  const { db } = app.runtime.deps;
  const { rows: columns } = await db.raw(
    `SELECT c.table_name, c.column_name FROM information_schema.columns c
     JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
       AND (c.column_name ~ '(^|_)(user|account)_id$' OR (c.table_name, c.column_name) = ('users', 'id'))`,
  );
  const counts: Record<string, number> = {};
  for (const { table_name, column_name } of columns) {
    const rows = await db(table_name).where(column_name, userId).select(column_name);
    if (rows.length > 0) counts[table_name] = rows.length;
  }
  return counts;
}

test('with no time to think it over the account goes at once', async () => {
  const hasty = await startApp({ ACCOUNT_DELETION_GRACE_DAYS: '0', SMTP_URL: mailbox.url });
  try {
    const person = await newPerson(hasty);
    expect(person.page.html).toContain('can’t be undone');
    const { action, hidden } = findForm(person.page, '/delete');
    const body = new URLSearchParams({ ...hidden, confirmation: person.email });
    const cookie = await person.visitor.jar.getCookieString(action);
    const send = () =>
      fetch(action, { method: 'POST', body, headers: { cookie }, redirect: 'manual' });
    for (const answer of await Promise.all(Array.from({ length: 10 }, send))) {
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/account/deleted');
    }
    expect(await findRow(person.user, hasty)).toBeUndefined();
    const { db } = hasty.runtime.deps;
    const events = await db('audit_events').where({ user_id: person.user.id }).orderBy('id');
    expect(events.slice(-2).map(({ type }) => type)).toEqual([
      'user.deletion_requested',
      'user.deleted',
    ]);
    await mailbox.waitFor(about(person.email, 'was deleted'));
    const page = await createVisitor().open(`${hasty.issuer}/account/deleted`);
    expect(page.html).toContain('gone now');
  } finally {
    await hasty.stop();
  }
});
