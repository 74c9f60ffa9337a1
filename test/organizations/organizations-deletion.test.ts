import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { addJob } from '../../src/jobs/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { alertText, findForm, pageName } from '../support/visitor.ts';
import {
  eventsOf,
  join,
  newOrganization,
  newPerson,
  newUser,
  type Person,
  rolesOf,
  sendAtOnce,
} from './organizations-app.ts';

let mailbox: Mailbox;
let app: TestApp;
/** Where deletion has no days of grace, and only administrators make organizations. */
let strict: TestApp;
let ports: number[];

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url });
  ports = [app.config.port, (await app.startReplica()).port];
  strict = await startApp({
    SMTP_URL: mailbox.url,
    ORGANIZATION_CREATION: 'administrators',
    ACCOUNT_DELETION_GRACE_DAYS: '0',
  });
});
afterAll(async () => {
  await Promise.all([app.stop(), strict.stop()]);
  await mailbox.stop();
});

const db = () => app.runtime.deps.db;
const list = (on = app) => `${on.issuer}/account/organizations`;
const find = (id: string) => db()('organizations').where({ id }).first();
const runJobs = (name: 'delete-organizations' | 'delete-users') =>
  transaction(db(), async (trx) => {
    for (let i = 0; i < 4; i += 1) await addJob(trx, name, {});
  });
const jobsLeft = (name: string) => async () =>
  Number((await db()('graphile_worker.jobs').where({ task_identifier: name }).count())[0]?.count);
const makeDue = (table: 'organizations' | 'users', ids: string[]) =>
  db()(table)
    .whereIn('id', ids)
    .update({ delete_after: db().raw("now() - interval '1 minute'") });

/** A grant with a token in an organization, as apps have them. */
async function giveGrant(organizationId: string | null, accountId: string): Promise<string> {
  const id = `grant-${organizationId}-${accountId}`;
  const whose = { account_id: accountId, client_id: 'some-app' };
  const lives = { payload: '{}', expires_at: db().raw("now() + interval '1 hour'") };
  await db()('oidc_grants').insert({ id, ...whose, organization_id: organizationId, ...lives });
  const token = { id: Buffer.from(id), grant_id: id, ...whose, ...lives };
  await db()('oidc_refresh_tokens').insert(token);
  await db()('oidc_artifacts').insert({ ...token, model: 'AccessToken' });
  return id;
}

async function isLiving(grantId: string): Promise<boolean> {
  const grant = await db()('oidc_grants')
    .where({ id: grantId })
    .whereRaw('expires_at > now()')
    .first();
  const counts = await Promise.all(
    ['oidc_refresh_tokens', 'oidc_artifacts'].map((table) =>
      db()(table).where({ grant_id: grantId }),
    ),
  );
  expect(new Set([grant !== undefined, ...counts.map(({ length }) => length === 1)]).size).toBe(1);
  return grant !== undefined;
}

async function confirm(person: Person, slug: string, typed = slug) {
  const page = await person.visitor.open(`${list()}/${slug}/delete`);
  return { page, sent: await person.visitor.submit(page, '/delete', { confirmation: typed }) };
}

describe('deleting an organization', () => {
  test('ends what apps may do there, and leaves days in which an owner keeps it', async () => {
    const [owner, member] = [await newPerson(app), await newPerson(app)];
    const { id, slug, name } = await newOrganization(app, owner.user.id);
    const other = await newOrganization(app, owner.user.id);
    await join(app, id, member.user, 'member');
    const grants = await Promise.all([giveGrant(id, owner.user.id), giveGrant(id, member.user.id)]);
    const kept = await Promise.all([
      giveGrant(other.id, owner.user.id),
      giveGrant(null, member.user.id),
    ]);

    const { sent: wrong } = await confirm(owner, slug, name);
    expect([wrong.status, alertText(wrong)]).toEqual([
      422,
      expect.stringContaining('isn’t the short name'),
    ]);
    expect(await find(id)).toMatchObject({ delete_after: null });

    const page = await owner.visitor.open(`${list()}/${slug}/delete`);
    const typed = { confirmation: slug };
    const answers = await sendAtOnce(owner.visitor, page, '/delete', typed, { ports });
    const onward = '303 /account/organizations?done=organization_deletion';
    expect(new Set(answers)).toEqual(new Set([onward]));
    const events = ['organization.created', 'organization.deletion_requested'];
    expect(await eventsOf(app, id)).toEqual(events);
    const { delete_after: at } = await find(id);
    const days = (at.getTime() - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(app.config.deletionGraceDays);
    expect(await Promise.all(grants.map(isLiving))).toEqual([false, false]);
    expect(await Promise.all(kept.map(isLiving))).toEqual([true, true]);
    const mail = await mailbox.waitFor(owner.email);
    expect(mail.subject).toContain('will be deleted');
    expect(mail.text).toContain(name);

    for (const person of [owner, member]) {
      for (const path of ['', '/members', '/delete']) {
        expect((await person.visitor.open(`${list()}/${slug}${path}`)).status).toBe(404);
      }
    }
    expect((await member.visitor.open(list())).html).not.toContain(name);
    const own = await owner.visitor.open(list());
    expect(own.html).toContain('Being deleted');
    expect(own.html).toContain(name);

    // Nobody but an owner keeps it.
    const { hidden } = findForm(own, '/organizations');
    const { hidden: theirs } = findForm(member.page, '/sign-out');
    const body = new URLSearchParams({ ...theirs, organization: String(hidden.organization) });
    expect((await member.visitor.request(list(), { method: 'POST', body })).status).toBe(404);
    const back = await sendAtOnce(owner.visitor, own, '/organizations', {}, { ports, times: 4 });
    expect(new Set(back)).toEqual(new Set(['303 /account/organizations?done=organization_kept']));
    expect(await eventsOf(app, id)).toEqual([...events, 'organization.deletion_cancelled']);
    for (const person of [owner, member]) {
      expect((await person.visitor.open(`${list()}/${slug}`)).status).toBe(200);
    }
  });

  test('takes place when its time is up, on one replica of those that try', async () => {
    const owner = await newUser(app);
    const made = [];
    for (let i = 0; i < 3; i += 1) made.push(await newOrganization(app, owner.user.id));
    const [one, two, later] = made.map(({ id }) => id) as [string, string, string];
    await makeDue('organizations', [one, two]);
    await db()('organizations')
      .where({ id: later })
      .update({ delete_after: db().raw("now() + interval '1 day'") });
    await giveGrant(one, owner.user.id);
    await runJobs('delete-organizations');
    await expect.poll(jobsLeft('delete-organizations'), { timeout: 15_000 }).toBe(0);
    expect(
      (await db()('organizations').whereIn('id', [one, two, later])).map(({ id }) => id),
    ).toEqual([later]);
    for (const id of [one, two]) {
      expect(await eventsOf(app, id)).toEqual(['organization.created', 'organization.deleted']);
      expect(await rolesOf(app, id)).toEqual({});
    }
    const told = () =>
      mailbox.messages.filter(
        ({ recipients, subject }) =>
          recipients.includes(owner.email) && subject?.includes('was deleted'),
      ).length;
    await expect.poll(told, { timeout: 15_000 }).toBe(2);
  });

  test('is at once where no days of grace are given; there, who may make one is few', async () => {
    const person = await newPerson(strict);
    expect(person.page.html).not.toContain('/organizations/new');
    expect((await person.visitor.open(`${list(strict)}/new`)).status).toBe(403);
    const { id, slug } = await newOrganization(strict, person.user.id);
    const page = await person.visitor.open(`${list(strict)}/${slug}/delete`);
    expect(page.html).toContain('At once');
    const answers = await sendAtOnce(person.visitor, page, '/delete', { confirmation: slug });
    expect(new Set(answers)).toEqual(
      new Set(['303 /account/organizations?done=organization_deleted']),
    );
    expect(await strict.runtime.deps.db('organizations').where({ id })).toEqual([]);
    const events = [
      'organization.created',
      'organization.deletion_requested',
      'organization.deleted',
    ];
    expect(await eventsOf(strict, id)).toEqual(events);
    // An administrator may, who then has a second factor to give.
    await strict.runtime.deps
      .db('users')
      .where({ id: person.user.id })
      .update({ administrator: true });
    await strict.runtime.deps
      .db('oidc_sessions')
      .where({ account_id: person.user.id })
      .update({
        payload: strict.runtime.deps.db.raw(
          `jsonb_set(payload::jsonb, '{acr}', '"urn:plinto:acr:2fa"')`,
        ),
      });
    expect(pageName(await person.visitor.open(`${list(strict)}/new`))).toBe(
      'account-organization-new',
    );
  });
});

describe('somebody who alone owns an organization', () => {
  test('can’t have their account deleted, is told which it is, and can once it is another’s', async () => {
    const [owner, next] = [await newPerson(app), await newUser(app)];
    const { id, slug, name } = await newOrganization(app, owner.user.id);
    const gone = await newOrganization(app, owner.user.id);
    await join(app, id, next.user, 'member');
    await confirm(owner, gone.slug);
    const page = await owner.visitor.open(`${app.issuer}/account/delete`);
    const typed = { confirmation: owner.email };
    const refused = await owner.visitor.submit(page, '/delete', typed);
    expect([refused.status, alertText(refused)]).toEqual([
      422,
      expect.stringContaining('the only owner'),
    ]);
    expect(refused.html).toContain(`href="/account/organizations/${slug}"`);
    expect(refused.html).toContain(name);
    // That one is gone before they are.
    expect(refused.html).not.toContain(gone.name);
    await join(app, id, next.user, 'owner');
    expect(pageName(await owner.visitor.submit(page, '/delete', typed))).toBe('account-deleted');
  });

  test('is kept by the job that deletes users, and doesn’t stop it', async () => {
    const [owner, other, free] = [await newUser(app), await newUser(app), await newUser(app)];
    const { id } = await newOrganization(app, owner.user.id);
    const shared = await newOrganization(app, other.user.id);
    await join(app, shared.id, free.user, 'owner');
    await makeDue('users', [owner.user.id, other.user.id, free.user.id]);
    await runJobs('delete-users');
    await expect.poll(jobsLeft('delete-users'), { timeout: 15_000 }).toBe(0);
    const ids = [owner, other, free].map(({ user }) => user.id);
    const left = (await db()('users').whereIn('id', ids)).map((user) => user.id);
    // Of the two who own one together, one is kept.
    expect(left).toHaveLength(2);
    expect(left).toContain(owner.user.id);
    expect(Object.values(await rolesOf(app, shared.id))).toEqual([['owner']]);
    expect(await eventsOf(app, shared.id)).toEqual(['organization.created', 'member.removed']);
    expect(await rolesOf(app, id)).toEqual({ [owner.user.id]: ['owner'] });
    expect(app.logs.join('')).toContain('the only owner of an organization is not deleted');
    await db()('organizations').whereIn('id', [id, shared.id]).delete();
    await runJobs('delete-users');
    await expect.poll(jobsLeft('delete-users'), { timeout: 15_000 }).toBe(0);
    expect(await db()('users').whereIn('id', ids)).toEqual([]);
  });

  test('of two owners who ask for it at once, one is refused', async () => {
    const [one, two] = [await newPerson(app), await newPerson(app)];
    const { id } = await newOrganization(app, one.user.id);
    await join(app, id, two.user, 'owner');
    const answers = await Promise.all(
      [one, two].map(async ({ visitor, email }, i) => {
        const page = await visitor.open(`${app.issuer}/account/delete`);
        const once = { times: 1, ports: [ports[i] as number] };
        return (await sendAtOnce(visitor, page, '/delete', { confirmation: email }, once))[0];
      }),
    );
    expect(answers.map((answer) => answer?.slice(0, 3)).toSorted()).toEqual(['303', '422']);
  });
});
