import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEvent, Origin } from '../../src/audit/events.ts';
import { record } from '../../src/audit/record.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type Page, pageName, type Visitor } from '../support/visitor.ts';
import { openAccount } from './account.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

let people = 0;

/** Somebody who is signed in at their account pages. */
async function newPerson(): Promise<{ user: User; visitor: Visitor }> {
  people += 1;
  const user = await app.createUser({ email: `person${people}@example.com` });
  const { visitor } = await openAccount(app, String(user.email), '/account/activity');
  return { user, visitor };
}

const openActivity = (visitor: Visitor, query = ''): Promise<Page> =>
  visitor.open(`${app.issuer}/account/activity${query}`);

async function happen(origin: Origin, ...events: AuditEvent[]): Promise<void> {
  await transaction(app.runtime.deps.db, async (trx) => {
    for (const event of events) await record(trx, origin, event);
  });
}

/** What a page says happened, from top to bottom. */
const said = (page: Page): string[] =>
  [...page.html.matchAll(/<strong>([^<]+)<\/strong>/g)].map(([, word = '']) => word);

/** Records so many changes of the profile, told apart by a field's name. */
const changeProfile = (user: User, times: number): Promise<void> =>
  happen(
    { actor: `user:${user.id}` },
    ...Array.from({ length: times }, (_, i) => ({
      type: 'profile.updated' as const,
      userId: user.id,
      data: { fields: [`field${i}`] },
    })),
  );

describe('the page', () => {
  test('says what happened, the latest first, with device, address and app', async () => {
    const { client } = await app.createClient({ name: 'Crunchy <b>' });
    const { user, visitor } = await newPerson();
    const browser = {
      ip: '203.0.113.9',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    };
    const ids = { userId: user.id, clientId: client.id };
    await happen(
      { actor: `user:${user.id}`, ...browser },
      { type: 'consent.granted', ...ids, data: { scopes: [] } },
    );
    const page = await openActivity(visitor);
    expect(pageName(page)).toBe('account-activity');
    expect(said(page).slice(0, 2)).toEqual(['Allowed an app access', 'Signed in']);
    for (const text of ['Crunchy &lt;b&gt;', 'Firefox', 'Linux', '203.0.113.9']) {
      expect(page.html).toContain(text);
    }
  });

  test('says that an administrator did something, and not which one', async () => {
    const { user, visitor } = await newPerson();
    const origin = { actor: 'cli:root-on-the-server', ip: '198.51.100.1', userAgent: 'curl' };
    await happen(origin, { type: 'password.reset_required', userId: user.id });
    await happen(
      { ...origin, actor: 'user:01234567-89ab-7cde-8f01-23456789abcd' },
      { type: 'user.activated', userId: user.id },
    );
    const { html } = await openActivity(visitor);
    expect(html.match(/By an administrator/g)?.length).toBeGreaterThanOrEqual(2);
    for (const text of ['root-on-the-server', '01234567-89ab', '198.51.100.1']) {
      expect(html).not.toContain(text);
    }
  });

  test('tells nothing of others', async () => {
    const [one, other] = [await newPerson(), await newPerson()];
    await happen({ actor: 'system' }, { type: 'phone.removed', userId: other.user.id });
    expect(said(await openActivity(one.visitor))).not.toContain('Phone number removed');
    expect(said(await openActivity(other.visitor))).toContain('Phone number removed');
  });

  test('has words for every event that concerns a person', async () => {
    const source = readFileSync('src/audit/events.ts', 'utf8');
    const [ofPeople = '', ofOrganizations = ''] = source
      .slice(0, source.indexOf('export type Origin'))
      .split('/** What happens to an application');
    const about = [
      ...ofPeople.split(/\n {2}\| /).filter((event) => /userId\??:/.test(event)),
      ofOrganizations,
    ].flatMap((text) => [...text.matchAll(/'(\w+\.\w+)'/g)].map(([, type = '']) => type));
    expect(about).toContain('member.removed');
    expect(about.length).toBeGreaterThan(25);
    const known = ['account-security', 'organization-activity'].flatMap((file) => {
      const words = JSON.parse(readFileSync(`views/locales/en/${file}.json`, 'utf8'));
      return Object.keys(words[file.replace('security', 'activity')].events);
    });
    expect(
      about.map((type) => type.replaceAll('.', '_')).filter((w) => !known.includes(w)),
    ).toEqual([]);
  });

  test('says in which organization something happened', async () => {
    const { user, visitor } = await newPerson();
    const made = await transaction(app.runtime.deps.db, (trx) =>
      createOrganization(trx, { actor: 'system' }, { name: 'Acme <b>', ownerId: user.id }),
    );
    if (!made.ok) throw new Error(made.reason);
    const { id: organizationId } = made.organization;
    const data = { added: ['admin'], removed: [] };
    await happen(
      { actor: 'system' },
      { type: 'member.roles_changed', userId: user.id, organizationId, data },
      {
        type: 'role.created',
        userId: user.id,
        organizationId,
        data: { key: 'x', permissions: [] },
      },
    );
    const page = await openActivity(visitor, '?kind=organizations');
    expect(said(page)).toEqual([
      'Role created',
      'Roles in an organization changed',
      'Organization created',
    ]);
    expect(page.html.match(/Acme &lt;b&gt;/g)).toHaveLength(3);
  });

  test('shows an event of a newer release by its name', async () => {
    const { user, visitor } = await newPerson();
    await happen({ actor: 'system' }, {
      type: 'user.teleported',
      userId: user.id,
    } as unknown as AuditEvent);
    expect(said(await openActivity(visitor))).toContain('user.teleported');
  });
});

describe('a filter', () => {
  test.each([
    ['sign_in', 'Signed in'],
    ['profile', 'Profile changed'],
    ['password', 'Password reset asked for'],
    ['apps', 'Took back an app’s access'],
    ['factors', 'Sign-in methods reset'],
  ])('by kind %s leaves %s', async (kind, word) => {
    const { user, visitor } = await newPerson();
    await happen(
      { actor: 'system' },
      { type: 'profile.updated', userId: user.id, data: { fields: [] } },
      { type: 'password.reset_requested', userId: user.id },
      { type: 'consent.revoked', userId: user.id, clientId: 'x' },
      { type: 'mfa.reset', userId: user.id, data: { factors: ['totp'] } },
    );
    const others = new Set(
      [
        'Signed in',
        'Profile changed',
        'Password reset asked for',
        'Took back an app’s access',
        'Sign-in methods reset',
      ].filter((w) => w !== word),
    );
    const words = said(await openActivity(visitor, `?kind=${kind}`));
    expect(words).toContain(word);
    expect(words.filter((w) => others.has(w))).toEqual([]);
  });

  test('by date counts days where the person is', async () => {
    const { user, visitor } = await newPerson();
    const { db } = app.runtime.deps;
    await db('users').where({ id: user.id }).update({ zoneinfo: 'Pacific/Auckland' });
    // 2026-03-10 23:30 and 2026-03-11 00:30 in Auckland (UTC+13).
    for (const [i, at] of ['2026-03-10T10:30:00Z', '2026-03-10T11:30:00Z'].entries()) {
      await db('audit_events').insert({
        id: `019e0000-0000-7000-8000-${String(people * 10 + i).padStart(12, '0')}`,
        at,
        type: i === 0 ? 'email.verified' : 'phone.verified',
        actor: 'system',
        user_id: user.id,
      });
    }
    expect(said(await openActivity(visitor, '?from=2026-03-10&to=2026-03-10'))).toEqual([
      'Email address verified',
    ]);
    expect(said(await openActivity(visitor, '?from=2026-03-11&to=2026-03-11'))).toEqual([
      'Phone number verified',
    ]);
    expect((await openActivity(visitor, '?to=2020-01-01')).html).toContain('Nothing happened');
  });

  test.each([
    '?kind=constructor',
    '?from=2026-13-40',
    '?to=x',
    '?before=x',
    '?after=1',
    '?kind=a&kind=b',
    "?before='--",
  ])('%s is as if it were not there', async (query) => {
    const { visitor } = await newPerson();
    const page = await openActivity(visitor, query);
    expect(page.status).toBe(200);
    expect(said(page)).toContain('Signed in');
  });
});

describe('pages', () => {
  test('lead to older events and back, without a gap', async () => {
    const { user, visitor } = await newPerson();
    await changeProfile(user, 60);
    const first = await openActivity(visitor, '?kind=profile');
    const follow = (page: Page, rel: string): Promise<Page> => {
      const href = new RegExp(`href="([^"]+)" rel="${rel}"`).exec(page.html)?.[1] ?? 'missing';
      return visitor.open(new URL(href.replaceAll('&amp;', '&'), app.issuer).href);
    };
    expect(first.html).not.toContain('rel="prev"');
    const second = await follow(first, 'next');
    const third = await follow(second, 'next');
    expect(third.html).not.toContain('rel="next"');
    // 60 changes and the account's creation.
    expect([first, second, third].flatMap(said)).toHaveLength(61);
    const back = await follow(third, 'prev');
    expect(said(back)).toEqual(said(second));
    expect(said(await follow(back, 'prev'))).toEqual(said(first));
  });
});

describe('a download', () => {
  test('as JSON has everything that the person may know, in any number', async () => {
    const { user, visitor } = await newPerson();
    await changeProfile(user, 600);
    const answer = await visitor.request(`${app.issuer}/account/activity.json`);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="activity.json"');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const events = (await answer.json()) as {
      type: string;
      by: string;
      data: { fields: string[] };
    }[];
    const fields = events
      .filter(({ type }) => type === 'profile.updated')
      .map(({ data }) => data.fields[0]);
    expect(new Set(fields).size).toBe(600);
    expect(fields[0]).toBe('field599');
    expect(JSON.stringify(events)).not.toContain('user:');
  });

  test('as CSV is read by a spreadsheet as text and nothing else', async () => {
    const { user, visitor } = await newPerson();
    const evil = '=HYPERLINK("https://evil.example")';
    await happen(
      { actor: 'anonymous', ip: '@SUM(1)' },
      { type: 'consent.revoked', userId: user.id, clientId: evil },
    );
    const answer = await visitor.request(`${app.issuer}/account/activity.csv`);
    expect(answer.headers.get('content-type')).toContain('text/csv');
    const text = await answer.text();
    const [header, latest = ''] = text.split('\r\n');
    expect(header).toBe('"time","type","by","app","ip","browser","system"');
    expect(latest).toContain(`"'=HYPERLINK(""https://evil.example"")","'@SUM(1)"`);
    expect(text.endsWith('\r\n')).toBe(true);
    expect(text).not.toMatch(/(^|,)"[=+\-@]/m);
  });

  test.each(['csv', 'json'])('as %s is for nobody who isn’t signed in', async (type) => {
    const answer = await fetch(`${app.issuer}/account/activity.${type}`, { redirect: 'manual' });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toContain('/authorize?');
  });
});
