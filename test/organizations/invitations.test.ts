import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { deleteExpired } from '../../src/oidc-state/cleanup.ts';
import { INVITATION_LIMITS } from '../../src/organizations/invitations/invite.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import type { Organization } from '../../src/organizations/store.ts';
import { reserve } from '../../src/throttle/throttle.ts';
import {
  forgetThrottles,
  type RegistrationApp,
  startRegistrationApp,
} from '../registration/registration-app.ts';
import { linkIn, type Message } from '../support/mailbox.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';
import { invite } from './invitations-app.ts';
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

const { owner: OWNER, admin: ADMIN, member: MEMBER } = BUILTIN_ROLES;
const NEW_PASSWORD = 'copper-lantern-drifts-77';

let app: RegistrationApp;
let ports: number[];
let owner: Person;
let admin: Person;
let member: Person;
let acme: Organization;
let at: string;

beforeAll(async () => {
  app = await startRegistrationApp();
  const replica = await app.startReplica();
  ports = [Number(new URL(app.issuer).port), replica.port];
  [owner, admin, member] = [await newPerson(app), await newPerson(app), await newPerson(app)];
  acme = await newOrganization(app, owner.user.id);
  await join(app, acme.id, admin.user, 'admin');
  await join(app, acme.id, member.user, 'member');
  at = `${app.issuer}/account/organizations/${acme.slug}/invitations`;
});
beforeEach(() => forgetThrottles(app));
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;
const text = ({ html }: Page) =>
  (/<main[^>]*>([\s\S]*)<\/main>/.exec(html)?.[1] ?? '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ');
const noticeOf = ({ html }: Page) => /role="status">[\s\S]*?<span>([^<]*)/.exec(html)?.[1];

/** Sends the form of the page as somebody fills it in. */
async function send(
  { visitor }: Person,
  addresses: string,
  fields: Record<string, string> = { [MEMBER]: 'yes' },
  url = at,
): Promise<Page> {
  return visitor.submit(await visitor.open(url), '/invitations', { addresses, ...fields });
}

/** What the page says became of each address. */
function resultsOf({ html }: Page): Record<string, string> {
  const row = /<bdi dir="ltr">([^<]*)<\/bdi><\/strong><\/p>\s*<p class="\w+">([^<]*)<\/p>/g;
  const [results = ''] = /aria-labelledby="results"[\s\S]*?<\/section>/.exec(html) ?? [];
  return Object.fromEntries(
    [...results.matchAll(row)].map(([, who = '', what = '']) => [who, what]),
  );
}

const mailsTo = (address: string): Message[] =>
  app.mailbox.messages.filter(({ recipients }) => recipients.includes(address));
const mailTo = (address: string, after = 0) =>
  app.mailbox.waitFor((mail) => mail.recipients.includes(address), { after });
const rowOf = (email: string) =>
  db()('invitations').where({ email, organization_id: acme.id }).orderBy('created_at').first();

describe('somebody who is invited', () => {
  test('by mail makes an account, is a member and goes on to the app', async () => {
    const metadata = { initiate_login_uri: 'https://app.example/start?from=invitation' };
    const { client } = await app.createClient({ name: 'Ledger', metadata });
    await db()('users').where({ id: owner.user.id }).update({ name: '<b>Ada</b> {{7*191}}' });
    const message = 'Welcome <img src=x onerror=alert(1)>\r\n\u202esecond line';
    const page = await send(owner, 'New Person <new.person@EXAMPLE.com>', {
      ...{ [MEMBER]: 'yes', [ADMIN]: 'yes', days: '3', app: client.id },
      message,
    });
    expect(resultsOf(page)).toEqual({ 'new.person@example.com': 'Invited' });
    // The link is the mail's alone.
    expect(page.html).not.toContain('/join/');

    const mail = await mailTo('new.person@example.com');
    expect(mail.subject).toBe('You are invited to an organization at Plinto');
    expect(mail.text).toContain(`<b>Ada</b> {{7*191}} invites you to join ${acme.name}`);
    expect(mail.text).toContain('Welcome <img src=x onerror=alert(1)>');
    expect(mail.text).toContain('3 days');
    expect(mail.html).not.toMatch(/<img|<b>|1337|\u202e/);
    const url = linkIn(mail);
    expect(url).toMatch(new RegExp(`^${app.issuer}/join/[\\w-]{43}$`));

    const visitor = createVisitor();
    const shown = await visitor.open(url);
    expect([shown.status, pageName(shown)]).toEqual([200, 'join']);
    expect(text(shown)).toContain(`{{7*191}} invites you to ${acme.name}`);
    expect(text(shown)).toContain('Admin · Member');
    expect(shown.html).toContain('Welcome &lt;img src=x onerror=alert(1)&gt;</bdi><br>');
    const weak = await visitor.submit(shown, new URL(url).pathname, { new_password: 'short' });
    expect([weak.status, pageName(weak)]).toEqual([422, 'join']);
    const typed = { new_password: NEW_PASSWORD, given_name: 'New', family_name: 'Person' };
    const done = await visitor.submit(weak, new URL(url).pathname, typed);
    expect(done.url).toBe(`${url}/done`);
    expect(text(done)).toContain(`Welcome to ${acme.name}`);
    const next = new URL(
      /class="primary" href="([^"]+)"/.exec(done.html)?.[1]?.replaceAll('&amp;', '&') ?? '',
    );
    expect(next.origin + next.pathname).toBe('https://app.example/start');
    expect(Object.fromEntries(next.searchParams)).toEqual({
      ...{ from: 'invitation', iss: app.issuer, organization: acme.id },
    });
    const user = await db()('users').where({ email: 'new.person@example.com' }).first();
    expect(user).toMatchObject({ given_name: 'New', email_verified_at: expect.any(Date) });
    expect((await rolesOf(app, acme.id))[user.id]).toEqual(['admin', 'member']);
    const events = await db()('audit_events').where({ user_id: user.id }).pluck('type');
    expect(events).toEqual(expect.arrayContaining(['member.added', 'invitation.accepted']));
  });

  test('and has an account finds the invitation there, by the link or without', async () => {
    const invited = await newPerson(app);
    const { url, id } = await invite(app, acme.id, { userId: owner.user.id }, invited.email);
    const list = await invited.visitor.open(`${app.issuer}/account/organizations`);
    expect(list.html).toContain(`/account/invitations/${id}"`);
    const landing = await createVisitor().open(url);
    expect(() => findForm(landing, '')).toThrow('no form');
    const onward = /class="primary" href="([^"]+)"/.exec(landing.html)?.[1] ?? '';
    const page = await invited.visitor.open(new URL(onward, url).href);
    expect(pageName(page)).toBe('account-invitation');
    const path = new URL(page.url).pathname;
    const answers = await sendAtOnce(invited.visitor, page, path, {}, { ports });
    expect(new Set(answers)).toEqual(new Set([`303 ${path}/done`]));
    expect((await rolesOf(app, acme.id))[invited.user.id]).toEqual(['member']);
    for (const where of [path, `/account/invitations/${id}`]) {
      const done = await invited.visitor.open(app.issuer + where);
      expect(text(done)).toContain('You are a member now.');
      expect(done.html).toContain(`href="/account/organizations/${acme.slug}"`);
    }
    expect((await createVisitor().open(url)).status).toBe(400);
    const types = await db()('audit_events').where({ user_id: invited.user.id }).pluck('type');
    expect(types.filter((type) => type === 'member.added')).toHaveLength(1);
  });

  test('keeps their roles where they are a member already, and stays suspended', async () => {
    for (const [status, says] of [
      ['active', 303],
      ['suspended', 422],
    ] as const) {
      const { user, email, visitor } = await newPerson(app);
      const { id } = await invite(app, acme.id, { userId: owner.user.id }, email, {
        roleIds: [ADMIN],
      });
      const page = await visitor.open(`${app.issuer}/account/invitations/${id}`);
      await join(app, acme.id, user, 'member');
      await db()('memberships').where({ user_id: user.id }).update({ status });
      const [answer] = await sendAtOnce(visitor, page, `/${id}`, {}, { times: 1 });
      expect(answer).toMatch(new RegExp(`^${says} `));
      expect((await rolesOf(app, acme.id))[user.id]).toEqual(['member']);
      const row = await db()('memberships').where({ user_id: user.id }).first();
      expect(row.status).toBe(status);
    }
  });
});

describe('a form for many addresses', () => {
  test('says of each what became of it, and sends one mail each, however often it is sent', async () => {
    const open = await newOrganization(app, owner.user.id);
    await db()('organizations').where({ id: open.id }).update({ members_may_invite: true });
    await join(app, open.id, member.user, 'member');
    const of = (person: Person) => ({ userId: person.user.id });
    await invite(app, open.id, of(owner), 'theirs@example.com');
    await invite(app, open.id, of(member), 'mine@example.com');
    await transaction(db(), async (trx) => {
      const key = { scope: 'message', id: 'a.lot@example.com invitation' } as const;
      while ((await reserve(trx, [key])).ok);
    });
    const fine = Array.from({ length: 92 }, (_, i) => `many${i}@example.com`);
    await db().raw(
      `INSERT INTO invitations (id, organization_id, email, token_hash, mailed, expires_at)
       SELECT gen_random_uuid(), ?, 'full' || n || '@example.com', int4send(n), true, now() + interval '1 day'
       FROM generate_series(1, ?::int) n`,
      [open.id, INVITATION_LIMITS.open - fine.length - 2],
    );
    const url = `${app.issuer}/account/organizations/${open.slug}/invitations`;
    const page = await member.visitor.open(url);
    // Of all invitations they see their own.
    expect(text(page)).toContain('mine@example.com');
    expect(text(page)).not.toMatch(/theirs@example|full\d/);
    const list = [
      ...[...fine, 'MANY0@example.com', 'mine@example.com', 'Theirs@example.com'],
      ...[
        owner.email,
        'a.lot@example.com',
        'zz@example.com',
        'no address',
        `${'x'.repeat(300)}@y.example`,
      ],
    ];
    expect(list).toHaveLength(INVITATION_LIMITS.addresses);
    const fields = { addresses: list.join('\r\n, ;'), [MEMBER]: 'yes' };
    const answers = await sendAtOnce(member.visitor, page, '/invitations', fields, { ports });
    expect(new Set(answers).size).toBe(1);
    const [, next = ''] = answers[0]?.split(' ') ?? [];
    const sent = await member.visitor.open(new URL(next, url).href);
    const results = resultsOf(sent);
    for (const address of fine.slice(1)) expect(results[address]).toBe('Invited');
    expect(results).toMatchObject({
      'MANY0@example.com': 'In the list more than once',
      'mine@example.com': 'Invited again. The link before no longer works.',
      'Theirs@example.com': 'Somebody else has invited them',
      [owner.email]: 'Is a member already',
      'a.lot@example.com': 'Too many invitations. Try again later.',
      'zz@example.com': 'There are too many open invitations. Take some back first.',
      'no address': 'Not an email address',
      [`${'x'.repeat(254)}`]: 'Not an email address',
    });
    // What can be mended at once, or goes later, comes first and is in the form again.
    expect(Object.keys(results).slice(0, 3)).toContain('a.lot@example.com');
    expect(sent.html).toMatch(
      /<textarea id="addresses"[^>]*>a\.lot@example\.com\nzz@example\.com\nno address\nx{254}</,
    );
    await Promise.all([...fine, 'mine@example.com'].map((address) => mailTo(address)));
    for (const address of [...fine, 'mine@example.com']) {
      expect([address, mailsTo(address).length]).toEqual([address, 1]);
    }
    const types = await eventsOf(app, open.id);
    const count = (type: string) => types.filter((one) => one === type).length;
    expect(count('invitation.created')).toBe(fine.length + 2);
    expect(count('invitation.resent')).toBe(1);
    // Nobody else reads what came of it.
    const others = await owner.visitor.open(new URL(next, url).href);
    expect(resultsOf(others)).toEqual({});
    // Its own expired ones don't get around the limit.
    await db()('invitations')
      .where({ organization_id: open.id, email: 'mine@example.com' })
      .update({
        expires_at: db().raw("now() - interval '1 day'"),
        sent_at: db().raw("now() - interval '2 days'"),
      });
    await invite(app, open.id, of(member), 'zz@example.com');
    const late = await rowIn(open.id, 'mine@example.com');
    // On a page further back, by now.
    const before = late.id.replace(/.{12}$/, 'ffffffffffff');
    const again = await owner.visitor.open(`${url}?before=${before}`);
    const full = await owner.visitor.submit(again, `/${late.id}/resend`);
    expect(Object.values(resultsOf(full))).toEqual([
      'There are too many open invitations. Take some back first.',
    ]);
  });

  const rowIn = (organization_id: string, email: string) =>
    db()('invitations').where({ organization_id, email }).first();

  test.each<[string, string, Record<string, string>, RegExp]>([
    ['no address', ' ,;\n', {}, /at least one address/],
    [
      'more than a hundred',
      Array.from({ length: 101 }, (_, i) => `p${i}@example.com`).join(','),
      {},
      /at most 100 addresses/,
    ],
    ['a long message', 'p@example.com', { message: 'x'.repeat(501) }, /longer than 500/],
    ['no days', 'p@example.com', { days: '0' }, /from 1 to 30/],
    ['too many days', 'p@example.com', { days: '31' }, /from 1 to 30/],
    ['days that are none', 'p@example.com', { days: 'a week' }, /from 1 to 30/],
    ['an app that isn’t there', 'p@example.com', { app: 'nothing' }, /Choose an app/],
    ['a role that isn’t', 'p@example.com', { 'a-role': 'yes' }, /Roles were changed/],
    ['a field that isn’t', 'p@example.com', { mailed: 'true' }, /Roles were changed/],
    ['a role of more than they hold', 'p@example.com', { [OWNER]: 'yes' }, /can’t give/],
  ])('is refused with %s, and keeps what was typed', async (_, addresses, more, says) => {
    const before = await db()('invitations').count();
    const page = await send(admin, addresses, { [MEMBER]: 'yes', ...more });
    expect(page.status).toBe(422);
    expect(alertText(page)).toMatch(says);
    if (addresses.includes('p@')) expect(page.html).toContain('>p@example.com</textarea>');
    expect(await db()('invitations').count()).toEqual(before);
  });

  test('needs a role; who may invite only because all may gives no other than member', async () => {
    expect(alertText(await send(owner, 'p@example.com', {}))).toContain('at least one role');
    expect((await member.visitor.open(at)).status).toBe(403);
    await db()('organizations').where({ id: acme.id }).update({ members_may_invite: true });
    const page = await member.visitor.open(at);
    expect(page.html).toContain(`name="${MEMBER}"`);
    expect(page.html).not.toContain(`name="${ADMIN}"`);
    const refused = await send(member, 'p@example.com', { [ADMIN]: 'yes' });
    expect(alertText(refused)).toContain('can’t give');
    // Those of others aren't there for them.
    const { id } = await invite(app, acme.id, { userId: owner.user.id }, 'others@example.com');
    const { action, hidden } = findForm(page, '/invitations');
    for (const what of ['resend', 'revoke', 'confirm', 'decline']) {
      const body = new URLSearchParams(hidden);
      const url = `${action}/${id}/${what}`;
      expect((await member.visitor.request(url, { method: 'POST', body })).status).toBe(404);
    }
    await db()('organizations').where({ id: acme.id }).update({ members_may_invite: false });
  });
});

describe('an invitation that is open', () => {
  test('is sent again with another link, once, and taken back', async () => {
    await send(owner, 'again@example.com');
    const first = linkIn(await mailTo('again@example.com'));
    const { id } = await rowOf('again@example.com');
    const page = await admin.visitor.open(at);
    const after = app.mailbox.messages.length;
    const answers = await sendAtOnce(admin.visitor, page, `/${id}/resend`, {}, { ports });
    expect(new Set(answers).size).toBe(1);
    const second = linkIn(await mailTo('again@example.com', after));
    expect(second).not.toBe(first);
    expect((await createVisitor().open(first)).status).toBe(400);
    const shown = await createVisitor().open(second);
    // Who sends it again answers for it.
    expect(text(shown)).toContain('Ada Lovelace invites you');
    expect((await rowOf('again@example.com')).invited_by).toBe(admin.user.id);
    const revoked = await owner.visitor.submit(await owner.visitor.open(at), `/${id}/revoke`);
    expect(noticeOf(revoked)).toContain('taken back');
    expect((await createVisitor().open(second)).status).toBe(400);
    expect(mailsTo('again@example.com')).toHaveLength(2);
    const late = await admin.visitor.submit(page, `/${id}/resend`, { form: '' });
    expect(alertText(late)).toContain('no longer open');
  });

  test('is worth nothing once its sender may not send it, until another does', async () => {
    const { user, email, visitor } = await newPerson(app);
    const leaving = await newUser(app);
    await join(app, acme.id, leaving.user, 'admin');
    const by = { userId: leaving.user.id };
    const { id, url } = await invite(app, acme.id, by, email, { roleIds: [ADMIN] });
    const page = await visitor.open(`${app.issuer}/account/invitations/${id}`);
    const whose = { organization_id: acme.id, user_id: leaving.user.id };
    for (const [name, change] of [
      ['demoted', () => db()('membership_roles').where(whose).update({ role_id: MEMBER })],
      ['suspended', () => db()('memberships').where(whose).update({ status: 'suspended' })],
      ['removed', () => db()('memberships').where(whose).delete()],
    ] as const) {
      await change();
      const [answer] = await sendAtOnce(visitor, page, `/${id}`, {}, { times: 1 });
      expect([name, answer]).toEqual([name, '400 ']);
      expect((await createVisitor().open(url)).status).toBe(400);
    }
    expect((await rolesOf(app, acme.id))[user.id]).toBeUndefined();
    await owner.visitor.submit(await owner.visitor.open(at), `/${id}/resend`);
    const done = await visitor.submit(page, `/${id}`);
    expect(text(done)).toContain('You are a member now.');
  });

  test('lets one person in: whom it is for, or whom the inviter confirms', async () => {
    const [invited, other] = [await newPerson(app), await newPerson(app)];
    await db()('users').where({ id: other.user.id }).update({ name: 'Other Person' });
    const { id, url } = await invite(app, acme.id, { userId: owner.user.id }, invited.email);
    const landing = await createVisitor().open(url);
    const onward = new URL(/class="primary" href="([^"]+)"/.exec(landing.html)?.[1] ?? '', url);
    const asked = await other.visitor.submit(await other.visitor.open(onward.href), '/ask');
    expect(noticeOf(asked)).toContain('Your request was passed on');
    const list = await owner.visitor.open(at);
    expect(text(list)).toContain(`Other Person ${other.email} In place of ${invited.email}`);
    const declined = await owner.visitor.submit(list, `/${id}/decline`);
    expect(noticeOf(declined)).toContain('not let in');
    await other.visitor.submit(await other.visitor.open(onward.href), '/ask');
    const page = await invited.visitor.open(`${app.issuer}/account/invitations/${id}`);
    const [one, two] = await Promise.all([
      sendAtOnce(owner.visitor, list, `/${id}/confirm`, {}, { times: 5, ports }),
      sendAtOnce(invited.visitor, page, `/${id}`, {}, { times: 5, ports: ports.toReversed() }),
    ]);
    const members = await rolesOf(app, acme.id);
    const inside = [other, invited].filter(({ user }) => members[user.id] !== undefined);
    expect(inside).toHaveLength(1);
    expect([...one, ...two].filter((answer) => answer.startsWith('5'))).toEqual([]);
    // Whoever has the link isn't told who was let in instead of whom it is for.
    const done = await createVisitor().open(`${url}/done`);
    expect(done.html.includes(other.email)).toBe(false);
    expect(done.status).toBe(inside[0] === other ? 400 : 200);
  });
});

test('invitations are kept for 90 days after their end, and what became of a form for an hour', async () => {
  for (const days of [89, 91]) {
    const { id } = await invite(app, acme.id, 'installation', `old${days}@example.com`);
    const expires_at = db().raw('now() - make_interval(days => ?)', [days]);
    await db()('invitations').where({ id }).update({ expires_at });
  }
  await send(owner, 'results@example.com');
  expect(await db()('invitation_results')).not.toEqual([]);
  await db()('invitation_results').update({ expires_at: db().raw("now() - interval '1 second'") });
  await deleteExpired(db());
  expect(await rowOf('old89@example.com')).toBeDefined();
  expect(await rowOf('old91@example.com')).toBeUndefined();
  expect(await db()('invitation_results')).toEqual([]);
});
