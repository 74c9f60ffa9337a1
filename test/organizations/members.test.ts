import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import type { Organization } from '../../src/organizations/store.ts';
import { type RegistrationApp, startRegistrationApp } from '../registration/registration-app.ts';
import { CALLBACK } from '../support/app.ts';
import { authorizationUrl, postAs, redeem } from '../support/authorization.ts';
import { alertText, findForm, type Page, pageName } from '../support/visitor.ts';
import {
  eventsOf,
  join,
  newOrganization,
  newPerson,
  newUser,
  type Person,
  type Role,
  rolesOf,
  sendAtOnce,
} from './organizations-app.ts';

const { owner: OWNER, admin: ADMIN, member: MEMBER } = BUILTIN_ROLES;

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
  at = `${app.issuer}/account/organizations/${acme.slug}`;
});
afterAll(() => app.stop());

const text = ({ html }: Page) =>
  (/<main[^>]*>([\s\S]*)<\/main>/.exec(html)?.[1] ?? '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ');
const noticeOf = ({ html }: Page) => /role="status">[\s\S]*?<span>([^<]*)/.exec(html)?.[1];

/** Somebody new in the organization. */
async function colleague(...roles: Role[]) {
  const made = await newUser(app);
  await join(app, acme.id, made.user, ...roles);
  return { ...made, page: `${at}/members/${made.user.id}` };
}

/** The form's boxes: role, whether it is ticked, whether it can be. */
function boxesOf({ html }: Page): Record<string, string> {
  const boxes = [...html.matchAll(/type="checkbox" name="([^"]+)" value="yes"([^>]*)>/g)];
  return Object.fromEntries(
    boxes.map(([, id = '', rest = '']) => [id, /checked|disabled/g.exec(rest)?.[0] ?? '']),
  );
}

describe('the list of members', () => {
  test('says who they are, what they are and how they came; only some may do more than look', async () => {
    const page = await admin.visitor.open(`${at}/members`);
    expect(pageName(page)).toBe('organization-members');
    expect(text(page)).toContain(owner.email);
    expect(text(page)).toMatch(/Owner Created the organization · /);
    expect(text(page)).toMatch(/Member Added by an administrator · /);
    expect(text(page)).toContain('Manage');
    expect(text(page)).toContain('Invite people');
    const looking = await member.visitor.open(`${at}/members`);
    expect(text(looking)).toContain(owner.email);
    expect(text(looking)).toContain('Details');
    expect(text(looking)).not.toMatch(/Manage|Invite/);
    expect(looking.html).toContain(`aria-describedby="member-0"`);
  });

  test('is searched, filtered, and empty where nobody matches', async () => {
    const one = await colleague('member');
    const { db } = app.runtime.deps;
    const name = '<b>Zaphod</b> {{7*191}}';
    await db('users').where({ id: one.user.id }).update({ name });
    const found = await admin.visitor.open(`${at}/members?search=%3CB%3Ezaph&role=${MEMBER}`);
    expect(found.html).toContain('&lt;b&gt;Zaphod&lt;/b&gt; {{7*191}}');
    expect(found.html.match(/<li>\s*<div class="what">/g)).toHaveLength(1);
    expect(found.html).toContain('value="&lt;B&gt;zaph"');
    for (const query of ['search=%25', `search=zaph&role=${OWNER}`, 'search=nobody']) {
      const page = await admin.visitor.open(`${at}/members?${query}`);
      expect([query, page.status]).toEqual([query, 200]);
      expect(text(page)).toContain('No member matches.');
    }
    for (const query of ['role=nothing', 'after=x', 'before=-1', 'search=x&search=y']) {
      const page = await admin.visitor.open(`${at}/members?${query}`);
      expect(text(page)).toContain(owner.email);
    }
  });

  test('goes on from page to page and back, with the filter', async () => {
    const { db } = app.runtime.deps;
    const crowd = await newOrganization(app, owner.user.id);
    await db.raw(
      `WITH people AS (INSERT INTO users (id, name, email)
         SELECT gen_random_uuid(), 'Crowd ' || i, 'crowd' || i || '@crowd.example'
         FROM generate_series(100, 129) i RETURNING id),
       joined AS (INSERT INTO memberships (organization_id, user_id, source)
         SELECT :id, id, 'added' FROM people RETURNING user_id)
       INSERT INTO membership_roles SELECT :id, user_id, :role, '00000000-0000-0000-0000-000000000000'
       FROM joined`,
      { id: crowd.id, role: MEMBER },
    );
    const list = `${app.issuer}/account/organizations/${crowd.slug}/members`;
    const linkOf = (page: Page, rel: string) => {
      const href = new RegExp(`href="([^"]+)" rel="${rel}"`).exec(page.html)?.[1];
      return href && new URL(href.replaceAll('&amp;', '&'), page.url).href;
    };
    const first = await owner.visitor.open(`${list}?role=${MEMBER}`);
    expect(linkOf(first, 'prev')).toBeUndefined();
    const second = await owner.visitor.open(String(linkOf(first, 'next')));
    expect(second.html.match(/<li>\s*<div class="what">/g)).toHaveLength(5);
    expect(linkOf(second, 'next')).toBeUndefined();
    expect(second.url).toContain(`role=${MEMBER}`);
    const back = await owner.visitor.open(String(linkOf(second, 'prev')));
    expect(text(back)).toBe(text(first));
  });
});

describe('a member’s roles', () => {
  test('are what is ticked; what one doesn’t hold can’t be, and is refused where it is sent', async () => {
    const one = await colleague('member');
    const page = await admin.visitor.open(one.page);
    expect(boxesOf(page)).toMatchObject({ [OWNER]: 'disabled', [ADMIN]: '', [MEMBER]: 'checked' });
    const forged = await admin.visitor.submit(page, '/roles', { [OWNER]: 'yes' });
    expect(forged.status).toBe(422);
    expect(alertText(forged)).toContain('no more than you have yourself');
    const saved = await admin.visitor.submit(page, '/roles', { [ADMIN]: 'yes', [MEMBER]: 'yes' });
    expect(noticeOf(saved)).toBe('The roles are saved.');
    expect(boxesOf(saved)).toMatchObject({ [ADMIN]: 'checked', [MEMBER]: 'checked' });
    expect((await rolesOf(app, acme.id))[one.user.id]).toEqual(['admin', 'member']);
    const none = await admin.visitor.submit(saved, '/roles', {});
    expect(none.status).toBe(200);
    expect((await rolesOf(app, acme.id))[one.user.id]).toEqual([]);
  });

  test('aren’t overwritten by who looked before somebody else changed them', async () => {
    const one = await colleague('member');
    const stale = await admin.visitor.open(one.page);
    const fresh = await owner.visitor.open(one.page);
    await owner.visitor.submit(fresh, '/roles', { [ADMIN]: 'yes' });
    const refused = await admin.visitor.submit(stale, '/roles', { [MEMBER]: 'yes' });
    expect(refused.status).toBe(422);
    expect(alertText(refused)).toContain('changed meanwhile');
    expect((await rolesOf(app, acme.id))[one.user.id]).toEqual(['admin']);
    const again = await admin.visitor.submit(refused, '/roles', { [MEMBER]: 'yes' });
    expect(noticeOf(again)).toBe('The roles are saved.');
  });

  test('of who may do more are only to be looked at', async () => {
    const page = await admin.visitor.open(`${at}/members/${owner.user.id}`);
    expect(text(page)).toContain('may do more than you');
    expect(page.html).not.toMatch(/<form[^>]+members/);
  });

  test('of one’s own can be given up, after which the overview is shown', async () => {
    const one = await newPerson(app);
    await join(app, acme.id, one.user, 'admin');
    const page = await one.visitor.open(`${at}/members/${one.user.id}`);
    expect(page.html).not.toMatch(/\/(suspend|remove)"/);
    const gone = await one.visitor.submit(page, '/roles', { [MEMBER]: 'yes' });
    expect([gone.url, pageName(gone)]).toEqual([`${at}?done=member_roles`, 'organization']);
    for (const action of ['suspend', 'remove', 'roles']) {
      const { csrf } = findForm(page, '/roles').hidden;
      const body = new URLSearchParams({ csrf: String(csrf) });
      const url = `${at}/members/${one.user.id}/${action}`;
      const { status } = await one.visitor.request(url, { method: 'POST', body });
      expect([action, status]).toEqual([action, 403]);
    }
  });
});

describe('letting in and keeping out', () => {
  test.each(['suspend', 'remove'])('one can’t %s oneself by this page', async (action) => {
    const page = await owner.visitor.open(`${at}/members/${owner.user.id}`);
    const { csrf } = findForm(page, '/roles').hidden;
    const body = new URLSearchParams({ csrf: String(csrf), confirmation: owner.email });
    const url = `${at}/members/${owner.user.id}/${action}`;
    const response = await owner.visitor.request(url, { method: 'POST', body });
    expect(response.status).toBe(422);
    expect(await response.text()).toContain('You can’t do this to yourself.');
  });

  test.each<[form: string, event: string, leadsTo: string]>([
    ['roles', 'member.roles_changed', '/:id?done=member_roles'],
    ['suspend', 'member.suspended', '/:id?done=member_suspend'],
    ['remove', 'member.removed', '?done=member_removed'],
  ])('%s sent ten times over two servers happens once', async (form, event, leadsTo) => {
    const one = await colleague('member');
    const page = await admin.visitor.open(one.page);
    const before = (await eventsOf(app, acme.id)).length;
    const typed = form === 'roles' ? { [ADMIN]: 'yes' } : { confirmation: one.email };
    const all = await sendAtOnce(admin.visitor, page, `/${form}`, typed, { ports });
    const location = `${new URL(at).pathname}/members${leadsTo.replace(':id', one.user.id)}`;
    expect(new Set(all)).toEqual(new Set([`303 ${location}`]));
    expect((await eventsOf(app, acme.id)).slice(before)).toEqual([event]);
  });

  test('who is suspended is out at once, and in again as they were', async () => {
    const one = await newPerson(app);
    await join(app, acme.id, one.user, 'member');
    const page = await admin.visitor.open(`${at}/members/${one.user.id}`);
    const suspended = await admin.visitor.submit(page, '/suspend');
    expect(noticeOf(suspended)).toBe('The member is suspended.');
    expect((await one.visitor.open(at)).status).toBe(404);
    expect(text(await admin.visitor.open(`${at}/members`))).toContain('Suspended');
    await admin.visitor.submit(suspended, '/activate');
    expect((await one.visitor.open(`${at}/members`)).status).toBe(200);
  });

  test('who is removed has to be named, is told by mail, and is out at once', async () => {
    const one = await newPerson(app);
    await join(app, acme.id, one.user, 'member');
    const page = await admin.visitor.open(`${at}/members/${one.user.id}`);
    const refused = await admin.visitor.submit(page, '/remove', { confirmation: 'somebody' });
    expect([refused.status, alertText(refused)]).toEqual([
      422,
      'That isn’t it. Type it exactly as shown.',
    ]);
    expect((await one.visitor.open(at)).status).toBe(200);
    const removed = await admin.visitor.submit(refused, '/remove', {
      confirmation: ` ${one.email.toUpperCase()} `,
    });
    expect(noticeOf(removed)).toBe('The member is removed.');
    expect((await one.visitor.open(at)).status).toBe(404);
    expect((await admin.visitor.open(`${at}/members/${one.user.id}`)).status).toBe(404);
    const mail = await app.mailbox.waitFor(one.email);
    expect(mail.text).toContain(acme.name);
    expect(mail.text).toContain(`${app.issuer}/account/organizations`);
  });

  test.each(['suspend', 'remove'])(
    '%s ends what apps may do there, and nothing elsewhere',
    async (action) => {
      const one = await newPerson(app);
      await join(app, acme.id, one.user, 'member');
      const party = await app.createClient();
      const scope = { scope: 'openid offline_access', prompt: 'consent' };
      const tokens: Record<string, string>[] = [];
      for (const where of [{ organization: acme.slug }, {}]) {
        const url = authorizationUrl(app, party.client.id, { ...scope, ...where });
        const consent = await one.visitor.open(url, CALLBACK);
        const back = await one.visitor.submit(consent, '/consent', {}, CALLBACK);
        const code = new URL(back.url).searchParams.get('code') ?? '';
        tokens.push((await (await redeem(app, party, code)).json()) as Record<string, string>);
      }
      const page = await admin.visitor.open(`${at}/members/${one.user.id}`);
      await admin.visitor.submit(page, `/${action}`, { confirmation: one.email });
      const outcomes = await Promise.all(
        tokens.map(async ({ access_token, refresh_token = '' }) => {
          const headers = { authorization: `Bearer ${access_token}` };
          const seen = await fetch(`${app.issuer}/userinfo`, { headers });
          const fields = { grant_type: 'refresh_token', refresh_token };
          const refreshed = await postAs(`${app.issuer}/token`, party, fields);
          return [seen.status, refreshed.status];
        }),
      );
      expect(outcomes).toEqual([
        [401, 400],
        [200, 200],
      ]);
    },
  );
});
