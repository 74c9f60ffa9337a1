import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEvent, Origin } from '../../src/audit/events.ts';
import { SYSTEM } from '../../src/audit/events.ts';
import { record } from '../../src/audit/record.ts';
import { transaction } from '../../src/db/pool.ts';
import { KINDS } from '../../src/organizations/activity/kinds.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let ada: User;
let mel: User;
let owner: Visitor;
let member: Visitor;
let made = 0;

beforeAll(async () => {
  app = await startApp();
  ada = await app.createUser();
  mel = await app.createUser({ email: 'mel@example.com', profile: { name: 'Mel <i>' } });
  ({ visitor: owner } = await openAccount(app, 'ada@example.com'));
  ({ visitor: member } = await openAccount(app, 'mel@example.com'));
});
afterAll(() => app.stop());

/** An organization of Ada's, of which Mel is a member. */
async function newOrganization(): Promise<Organization> {
  made += 1;
  return transaction(app.runtime.deps.db, async (trx) => {
    const result = await createOrganization(trx, SYSTEM, {
      ...{ name: `Org ${made}`, ownerId: ada.id },
    });
    if (!result.ok) throw new Error(result.reason);
    const { id } = result.organization;
    await insertMembership(trx, id, mel.id, 'added');
    await insertMembershipRoles(trx, id, mel.id, [BUILTIN_ROLES.member]);
    return result.organization;
  });
}

async function happen(origin: Origin, ...events: AuditEvent[]): Promise<void> {
  await transaction(app.runtime.deps.db, async (trx) => {
    for (const event of events) await record(trx, origin, event);
  });
}

const by = ({ id }: User): Origin => ({ actor: `user:${id}` });
const urlOf = ({ slug }: Organization, query = '') =>
  `${app.issuer}/account/organizations/${slug}/activity${query}`;
const open = (organization: Organization, query = '') => owner.open(urlOf(organization, query));

/** What a page says happened, from top to bottom. */
const said = (page: Page): string[] =>
  [...page.html.matchAll(/<strong>([^<]+)<\/strong>/g)].map(([, word = '']) => word);

/** Text of a page without its markup. */
const textOf = ({ html }: Page) => html.replace(/<[^>]+>/g, '').replace(/\s+/g, ' ');

describe('the page', () => {
  test('says what happened, when, who did it, about whom, with which app, from where', async () => {
    const { id: organizationId } = await newOrganization();
    const slug = `org-${made}`;
    const { client } = await app.createClient({ name: 'Crunchy <b>' });
    const origin = {
      ...{ ...by(ada), ip: '203.0.113.9' },
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    };
    const data = { added: ['admin'], removed: ['member'] };
    await happen(
      origin,
      { type: 'member.roles_changed', organizationId, userId: mel.id, data },
      {
        ...{ type: 'organization.policies_updated', organizationId },
        data: { fields: ['mfa_required', 'constructor'] },
      },
      {
        type: 'client.created',
        organizationId,
        clientId: client.id,
        data: { kind: 'machine', firstParty: false },
      },
    );
    await happen(
      { actor: 'cli:root' },
      { type: 'domain.added', organizationId, data: { name: 'a.example' } },
    );
    const page = await open({ slug } as Organization);
    expect(pageName(page)).toBe('organization-activity');
    expect(said(page)).toEqual([
      ...[
        'Domain added',
        'App created',
        'Sign-in rules changed',
        'Roles of a member changed',
        'Organization created',
      ],
    ]);
    for (const text of [
      'mel@example.com (Mel &lt;i&gt;)',
      'Added: admin',
      'Taken away: member',
      'Changed: second factor required, constructor',
      'By ada@example.com (Ada Lovelace)',
      'App: Crunchy &lt;b&gt;',
      'Firefox · Linux · 203.0.113.9',
      'By an administrator of Plinto',
      'Name: a.example',
      'By Plinto',
    ]) {
      expect(textOf(page)).toContain(text);
    }
    expect(page.html).not.toContain('root');
  });

  test('has words for every event there can be, and a kind that finds it', () => {
    const source = readFileSync('src/audit/events.ts', 'utf8');
    const text = source.slice(source.indexOf('/** What happens to an application'));
    const types = [...text.matchAll(/'(\w+\.\w+)'/g)].map(([, type = '']) => type);
    expect(types.length).toBeGreaterThan(25);
    for (const type of [...types, 'sign_in.succeeded']) {
      const kinds = Object.values(KINDS).filter((parts) =>
        parts.some((part) => part === type || part === type.split('.')[0]),
      );
      expect(kinds, type).toHaveLength(1);
      for (const lang of ['en', 'de']) {
        const file = `views/locales/${lang}/organization-activity.json`;
        const { events } = JSON.parse(readFileSync(file, 'utf8'))['organization-activity'];
        expect(Object.keys(events)).toContain(type.replaceAll('.', '_'));
      }
    }
  });

  test('security 21: shows events of its own organization only, and so does the file', async () => {
    const [one, other] = [await newOrganization(), await newOrganization()];
    await happen(by(ada), {
      ...{ type: 'domain.added', organizationId: other.id, data: { name: 'secret.example' } },
    });
    await happen(by(ada), { type: 'password.set', userId: ada.id });
    expect(said(await open(one))).toEqual(['Organization created']);
    expect(said(await open(other))).toEqual(['Domain added', 'Organization created']);
    const file = await owner.request(urlOf(one, '/download?format=jsonl'));
    expect(await file.text()).not.toContain('secret.example');
  });

  test('is for members who may read it, and to others there is no such organization', async () => {
    const organization = await newOrganization();
    for (const path of ['', '/download']) {
      expect((await member.open(urlOf(organization, path))).status).toBe(403);
    }
    await app.createUser({ email: `stranger${made}@example.com` });
    const { visitor } = await openAccount(app, `stranger${made}@example.com`);
    for (const path of ['', '/download']) {
      expect((await visitor.open(urlOf(organization, path))).status).toBe(404);
    }
    const { rows } = await app.runtime.deps.db.raw(
      `SELECT count(*)::int FROM audit_events WHERE organization_id = ? AND type = 'activity.exported'`,
      [organization.id],
    );
    expect(rows[0].count).toBe(0);
  });

  test('security 13: names by address whoever calls themselves like somebody else', async () => {
    const organization = await newOrganization();
    const address = `mallory${made}@example.com`;
    const name = `ada@example.com (Ada Lovelace) ${'x'.repeat(200)}`;
    const mallory = await app.createUser({ email: address, profile: { name } });
    const { id: organizationId } = organization;
    await happen(by(mallory), { type: 'member.left', organizationId, userId: mallory.id });
    expect(textOf(await open(organization))).toContain(`By ${address} (ada@example.com`);
  });

  test('still says who it was that left, and that an account is gone', async () => {
    const organization = await newOrganization();
    const { db } = app.runtime.deps;
    const gone = '00000000-0000-7000-8000-0000000000aa';
    const { id: organizationId } = organization;
    await happen(by(mel), { type: 'member.left', organizationId, userId: mel.id });
    await happen({ actor: `user:${gone}` }, { type: 'member.left', organizationId, userId: gone });
    await db('memberships').where({ organization_id: organizationId, user_id: mel.id }).delete();
    const text = textOf(await open(organization));
    expect(text).toContain('By mel@example.com (Mel &lt;i&gt;)');
    expect(text).toContain(`By somebody whose account is deleted (${gone})`);
  });
});

describe('what is looked for', () => {
  let organization: Organization;

  beforeAll(async () => {
    organization = await newOrganization();
    const { id: organizationId } = organization;
    const invitationId = '00000000-0000-7000-8000-0000000000bb';
    await happen(
      by(mel),
      { type: 'sign_in.succeeded', organizationId, userId: mel.id, data: { amr: [], acr: '' } },
      { type: 'member.suspended', organizationId, userId: ada.id },
      { type: 'invitation.revoked', organizationId, data: { invitationId } },
      { type: 'role.deleted', organizationId, data: { key: 'x', members: 0, invitations: 0 } },
      { type: 'domain.lost', organizationId, data: { name: 'a.example' } },
    );
    await happen(by(ada), { type: 'organization.updated', organizationId, data: { fields: [] } });
  });

  test.each([
    ['?kind=sign_ins', ['Signed in']],
    ['?kind=members', ['Member suspended']],
    ['?kind=invitations', ['Invitation taken back']],
    ['?kind=roles', ['Role deleted']],
    ['?kind=domains', ['Verification of a domain lost']],
    ['?kind=settings', ['Organization changed', 'Organization created']],
    ['?person=ada@example.com', ['Organization changed']],
    ['?person=%20ADA@Example.COM%20', ['Organization changed']],
    ['?kind=domains&person=mel@example.com', ['Verification of a domain lost']],
    ['?kind=domains&person=ada@example.com', []],
    ['?person=nobody@example.com', []],
    ['?person=%27;--', []],
    ['?to=2020-01-01', []],
  ])('as %s is %j', async (query, words) => {
    expect(said(await open(organization, query))).toEqual(words);
  });

  test.each(['?kind=constructor', '?from=2026-13-40', '?before=x', '?after=1', '?kind=a&kind=b'])(
    'as %s is everything',
    async (query) => {
      expect(said(await open(organization, query))).toHaveLength(7);
    },
  );
});

test('pages lead to older events and back, without a gap, by what is looked for', async () => {
  const organization = await newOrganization();
  const { id: organizationId } = organization;
  await happen(
    by(ada),
    ...Array.from({ length: 60 }, (_, i) => ({
      ...{ type: 'domain.added' as const, organizationId, data: { name: `d${i}.example` } },
    })),
  );
  const follow = (page: Page, rel: string): Promise<Page> => {
    const href = new RegExp(`href="([^"]+)" rel="${rel}"`).exec(page.html)?.[1] ?? 'missing';
    return owner.open(new URL(href.replaceAll('&amp;', '&'), app.issuer).href);
  };
  const names = ({ html }: Page) => [...html.matchAll(/d\d+\.example/g)].map(([name]) => name);
  const first = await open(organization, '?kind=domains&person=ada@example.com');
  const second = await follow(first, 'next');
  const third = await follow(second, 'next');
  expect(`${first.html}`).not.toContain('rel="prev"');
  expect(third.html).not.toContain('rel="next"');
  const all = [first, second, third].flatMap(names);
  expect(all).toEqual(Array.from({ length: 60 }, (_, i) => `d${59 - i}.example`));
  expect(names(await follow(third, 'prev'))).toEqual(names(second));
});

describe('a file', () => {
  /** Presses a button of the form below the events. */
  const download = async (page: Page, format: string) => {
    const { action, hidden } = findForm(page, '/activity/download');
    const body = new URLSearchParams({ ...hidden, format });
    const answer = await owner.request(action, { method: 'POST', body });
    expect(answer.status).toBe(303);
    return owner.request(new URL(String(answer.headers.get('location')), app.issuer).href);
  };
  const exports = async ({ id }: Organization) =>
    app.runtime.deps
      .db('audit_events')
      .where({ organization_id: id, type: 'activity.exported' })
      .pluck('actor');

  test('of JSON lines has everything, in any number, and the log says who took it', async () => {
    const organization = await newOrganization();
    await app.runtime.deps.db.raw(
      `INSERT INTO audit_events (id, type, actor, organization_id, data)
       SELECT gen_random_uuid(), 'domain.added', 'system', ?, jsonb_build_object('name', 'd' || i)
       FROM generate_series(1, 1100) i`,
      [organization.id],
    );
    const answer = await download(await open(organization), 'jsonl');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="activity.jsonl"');
    expect(answer.headers.get('content-type')).toMatch(/jsonl|octet-stream/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const lines = (await answer.text()).trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line));
    expect(new Set(events.map(({ data }) => data.name).filter(Boolean)).size).toBe(1101);
    const created = events.find(({ type }) => type === 'organization.created');
    expect(created).toMatchObject({
      by: { kind: 'system' },
      about: { address: 'ada@example.com' },
    });
    expect(await exports(organization)).toEqual([`user:${ada.id}`]);
  });

  test('of CSV is read by a spreadsheet as text and nothing else', async () => {
    const organization = await newOrganization();
    const { id: organizationId } = organization;
    const evil = '=HYPERLINK("https://evil.example")';
    const { client } = await app.createClient({ name: `@SUM(1)${made}` });
    const evelyn = await app.createUser({ email: `+eve${made}@example.com` });
    await happen(
      { ...by(evelyn), ip: '-1+1', userAgent: evil },
      { type: 'domain.added', organizationId, clientId: client.id, data: { name: evil } },
    );
    const answer = await download(await open(organization, '?kind=domains'), 'csv');
    expect(answer.headers.get('content-type')).toContain('text/csv');
    const [header, line = '', ...rest] = (await answer.text()).split('\r\n');
    expect(header).toContain('"id","time","type","by","by_id","about"');
    expect(line).toContain(`"'+eve${made}@example.com"`);
    expect(line).toContain(`"'@SUM(1)${made}"`);
    expect(line).toContain(`"'-1+1"`);
    expect(line).toMatch(/^"(?:[^"]|"")*"(?:,"(?:[^"]|"")*"){12}$/);
    expect(line).not.toMatch(/(^|,)"[=+\-@\t\r]/);
    // Only what was looked for.
    expect(rest).toEqual(['']);
  });

  test('security 25: is refused to a form with other fields, and nothing is recorded', async () => {
    const organization = await newOrganization();
    const page = await open(organization);
    const fields = { format: 'csv', organization_id: 'x' };
    const refused = await owner.submit(page, '/activity/download', fields);
    expect([refused.status, pageName(refused)]).toEqual([422, 'organization-activity']);
    expect(refused.html).toContain('organization_id');
    expect(await exports(organization)).toEqual([]);
  });
});
