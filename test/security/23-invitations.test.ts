import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createCsrf } from '../../src/http/csrf.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import {
  findOwnInvitation,
  revokeInvitation,
} from '../../src/organizations/invitations/change-invitation.ts';
import { referenceOf } from '../../src/organizations/invitations/reference.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { lockOrganizationFor } from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { type Invited, invite } from '../organizations/invitations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createVisitor, findForm, pageName, type Visitor } from '../support/visitor.ts';

const NEW_PASSWORD = 'copper-lantern-drifts-77';

let app: TestApp;
let owner: User;
let organization: { id: string; slug: string };
/** Signed in, with an address that nobody invites. */
let stranger: Visitor;

beforeAll(async () => {
  app = await startApp({ SIGN_UP: 'invitation' });
  owner = await app.createUser();
  await app.createUser({ email: 'stranger@example.com' });
  ({ visitor: stranger } = await openAccount(app, 'stranger@example.com', '/account'));
  organization = await found('tenant');
});
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;

async function found(name: string): Promise<{ id: string; slug: string }> {
  const made = await transaction(db(), (trx) =>
    createOrganization(trx, SYSTEM, { name, ownerId: owner.id }),
  );
  if (!made.ok) throw new Error(made.reason);
  return made.organization;
}

const send = (email: string, rest: Parameters<typeof invite>[4] = {}) =>
  invite(app, organization.id, { userId: owner.id }, email, rest);

async function membersCalled(email: string): Promise<string[]> {
  return db()('memberships as m')
    .join('users as u', 'u.id', 'm.user_id')
    .where({ 'u.email': email })
    .pluck('m.organization_id');
}

/** The form of a new account, as a browser that looked at the link sends it. */
async function formOf({ url }: Invited, visitor = createVisitor()) {
  const page = await visitor.open(url);
  const { action, hidden } = findForm(page, new URL(url).pathname);
  return { visitor, action, fields: { ...hidden, new_password: NEW_PASSWORD } };
}

async function post({ visitor, action, fields }: Awaited<ReturnType<typeof formOf>>) {
  const body = new URLSearchParams(fields);
  const answer = await visitor.request(action, { method: 'POST', body });
  await answer.arrayBuffer();
  return { status: answer.status, location: answer.headers.get('location') };
}

describe('security 23: a link makes nobody a member any more that', () => {
  test.each<[string, (invited: Invited) => Promise<unknown>]>([
    [
      'expired',
      ({ id }) =>
        db()('invitations')
          .where({ id })
          .update({ expires_at: db().raw("now() - interval '1 second'") }),
    ],
    [
      'was revoked',
      ({ id }) =>
        transaction(db(), async (trx) => {
          const held = await lockOrganizationFor(trx, organization.id, owner.id);
          if (held === undefined) throw new Error('gone');
          const changer = { organization: held, inviter: { userId: owner.id } };
          const invitation = await findOwnInvitation(trx, changer, id);
          if (invitation === undefined) throw new Error('no invitation');
          expect(await revokeInvitation(trx, SYSTEM, invitation)).toBe(true);
        }),
    ],
    ['was sent again with another', ({ address }) => send(address)],
    [
      'is of somebody who was dismissed',
      async ({ id }) => {
        const { id: invited_by } = await app.createUser({ email: 'dismissed@example.com' });
        return db()('invitations').where({ id }).update({ invited_by });
      },
    ],
    [
      'was shown instead of mailed',
      ({ id }) => db()('invitations').where({ id }).update({ mailed: false }),
    ],
  ])('security 23: %s', async (name, change) => {
    const invited = await send(`${name.replaceAll(' ', '-')}@example.com`);
    const form = await formOf(invited);
    await change(invited);
    expect(await post(form)).toEqual({ status: 400, location: null });
    expect(await db()('users').where({ email: invited.address })).toEqual([]);
  });

  test('security 23: leads to an organization that is being deleted', async () => {
    const going = await found('going');
    const invited = await invite(app, going.id, { userId: owner.id }, 'late@example.com');
    const form = await formOf(invited);
    await db()('organizations')
      .where({ id: going.id })
      .update({ delete_after: new Date(8e12) });
    expect((await post(form)).status).toBe(400);
    expect((await createVisitor().open(invited.url)).status).toBe(400);
    expect(await db()('users').where({ email: 'late@example.com' })).toEqual([]);
  });
});

test('security 23: an altered or made up link is worthless', async () => {
  const { url } = await send('altered@example.com');
  const altered = `${url.slice(0, -2)}${url.endsWith('AA') ? 'BB' : 'AA'}`;
  for (const link of [
    altered,
    `${app.issuer}/join/x`,
    `${app.issuer}/invitation/${url.slice(-43)}`,
  ]) {
    const page = await createVisitor().open(link);
    expect([page.status, pageName(page)]).toEqual([400, 'error']);
  }
  const crossed = { ...(await formOf(await send('other@example.com'))), action: altered };
  expect((await post(crossed)).status).toBe(403);
});

test('security 23: looking changes nothing; of ten acceptances over two servers one counts', async () => {
  const invited = await send('once@example.com', { roleIds: [BUILTIN_ROLES.admin] });
  for (let time = 0; time < 3; time += 1) await createVisitor().open(invited.url);
  const form = await formOf(invited);
  const { port } = await app.startReplica();
  const there = form.action.replace(/:\d+\//, `:${port}/`);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => post({ ...form, action: i % 2 ? there : form.action })),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]));
  expect(new Set(answers.map(({ location }) => location)).size).toBe(1);
  expect(await membersCalled('once@example.com')).toEqual([organization.id]);
  const [{ id }] = await db()('users').where({ email: 'once@example.com' });
  const types = await db()('audit_events').where({ user_id: id }).pluck('type');
  for (const type of ['user.created', 'member.added', 'invitation.accepted']) {
    expect(types.filter((one) => one === type)).toEqual([type]);
  }
  // Reused, it shows nothing and changes nothing.
  expect((await createVisitor().open(invited.url)).status).toBe(400);
  const roles = await db()('membership_roles').where({ user_id: id }).pluck('role_id');
  expect(roles).toEqual([BUILTIN_ROLES.admin]);
});

describe('security 23: somebody signed in with', () => {
  test('security 23: another address joins only when the inviter confirms it', async () => {
    const invited = await send('intended@example.com');
    const row = await db()('invitations').where({ id: invited.id }).first('id', 'token_hash');
    const path = `/account/invitations/${referenceOf(row)}`;
    const page = await stranger.open(`${app.issuer}${path}`);
    expect(page.html).toContain('intended@example.com');
    expect(() => findForm(page, path)).toThrow('no form');
    const asked = findForm(page, '/ask');
    const join = { visitor: stranger, action: `${app.issuer}${path}`, fields: asked.hidden };
    expect((await post({ ...join, fields: { ...join.fields, new_password: '' } })).status).toBe(
      422,
    );
    expect(await membersCalled('stranger@example.com')).toEqual([]);
    // Without the link there is no such invitation for them.
    const bare = `${app.issuer}/account/invitations/${invited.id}`;
    expect((await stranger.open(bare)).status).toBe(400);
    await stranger.submit(page, '/ask');
    expect(await membersCalled('stranger@example.com')).toEqual([]);
    const { visitor, page: list } = await openAccount(
      app,
      'ada@example.com',
      `/account/organizations/${organization.slug}/invitations`,
    );
    expect(list.html).toContain('stranger@example.com');
    await visitor.submit(list, `/${invited.id}/confirm`);
    expect(await membersCalled('stranger@example.com')).toEqual([organization.id]);
  });

  test('security 23: the address invited, but unproven, is refused', async () => {
    const email = 'unproven@example.com';
    await app.createUser({ email, emailVerified: false });
    const invited = await send(email);
    const row = await db()('invitations').where({ id: invited.id }).first('id', 'token_hash');
    const path = `/account/invitations/${referenceOf(row)}`;
    const { visitor, page } = await openAccount(app, email, path);
    const csrf = String(/name="csrf" value="([^"]+)"/.exec(page.html)?.[1]);
    for (const form of [path, `${path}/ask`]) {
      const fields = { csrf, new_password: '' };
      const answer = await post({ visitor, action: `${app.issuer}${form}`, fields });
      expect(answer.status).toBe(422);
    }
    expect(await membersCalled(email)).toEqual([]);
  });
});

describe('security 23: a link that its inviter was shown', () => {
  const same = ({ html, url }: { html: string; url: string }, email: string) =>
    html
      .replaceAll(email, 'ADDRESS')
      .replaceAll(new URL(url).pathname, 'LINK')
      .replace(/\/account\/invitations\/[\w.-]+/g, 'OWN')
      .replace(/(nonce|value)="[^"]*"/g, '');

  test('security 9: doesn’t tell whether there is an account with the address', async () => {
    const known = 'known@example.com';
    await app.createUser({ email: known });
    const pages = [];
    for (const email of [known, 'unknown@example.com']) {
      const { url } = await send(email, { shown: true });
      const page = await createVisitor().open(url);
      expect(() => findForm(page, new URL(url).pathname)).toThrow('no form');
      pages.push(same(page, email));
    }
    expect(pages[0]).toBe(pages[1]);
  });

  test('security 23: is found on the page after the form, and lets in only whom it is for', async () => {
    const email = 'shown@example.com';
    await app.createUser({ email });
    const at = `/account/organizations/${organization.slug}/invitations`;
    const inviter = await openAccount(app, 'ada@example.com', at);
    const typed = { addresses: email, [BUILTIN_ROLES.member]: 'yes' };
    const page = await inviter.visitor.submit(inviter.page, '/invitations', typed);
    const url = String(/https?:[^<\s]+\/join\/[\w-]{43}/.exec(page.html)?.[0]);
    const onward = /class="primary" href="([^"]+)"/.exec((await createVisitor().open(url)).html);
    const own = new URL(String(onward?.[1]), app.issuer).href;
    // The inviter, who has the link, is nobody whom it lets in.
    const theirs = await inviter.visitor.open(own);
    expect(theirs.html).not.toContain('/ask"');
    const { visitor, page: login } = await openAccount(app, email, new URL(own).pathname);
    await visitor.submit(login, new URL(own).pathname);
    expect(await membersCalled(email)).toEqual([organization.id]);
  });
});

test('security 23: an invitation goes with the address, not with who had it', async () => {
  const moved = await app.createUser({ email: 'moved@example.com' });
  const { id } = await send('moved@example.com');
  const path = `/account/invitations/${id}`;
  const { visitor, page } = await openAccount(app, 'moved@example.com', path);
  const { hidden } = findForm(page, path);
  await db()('users').where({ id: moved.id }).update({ email: 'elsewhere@example.com' });
  const form = { visitor, action: app.issuer + path, fields: { ...hidden, new_password: '' } };
  expect((await post(form)).status).toBe(400);
  expect((await visitor.open(app.issuer + path)).status).toBe(400);
  expect(await membersCalled('elsewhere@example.com')).toEqual([]);
});

test('security 23: where sign-up is closed no link makes an account', async () => {
  const closed = await startApp({ SIGN_UP: 'closed' });
  try {
    const { id: ownerId } = await closed.createUser();
    const made = await transaction(closed.runtime.deps.db, (trx) =>
      createOrganization(trx, SYSTEM, { name: 'Closed', ownerId }),
    );
    if (!made.ok) throw new Error(made.reason);
    for (const inviter of ['installation', { userId: ownerId }] as const) {
      const { url } = await invite(closed, made.organization.id, inviter, 'new@example.com');
      const visitor = createVisitor();
      const page = await visitor.open(url);
      expect([page.status, page.html.includes('new_password')]).toEqual([200, false]);
      // As the page would have it, if it had a form.
      const csrf = createCsrf(closed.runtime.keyring.csrf, closed.issuer).token(url.slice(-43));
      const fields = { csrf, new_password: NEW_PASSWORD };
      expect(await post({ visitor, action: url, fields })).toEqual({ status: 400, location: null });
      expect(await closed.runtime.deps.db('users')).toHaveLength(1);
    }
  } finally {
    await closed.stop();
  }
});
