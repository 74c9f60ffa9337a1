import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { addJob } from '../../src/jobs/store.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { canonicalDomain } from '../../src/organizations/domains/name.ts';
import type { Domain } from '../../src/organizations/domains/store.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../src/organizations/store.ts';
import { canonicalEmail } from '../../src/users/identifiers.ts';
import { openAccount } from '../account/account.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type DnsServer, startDnsServer, type ZoneEntry } from '../support/dns-server.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { alertText, findForm, type Page, type Visitor } from '../support/visitor.ts';

type Party = { organization: Organization; visitor: Visitor };

let app: TestApp;
let dns: DnsServer;
let mailbox: Mailbox;
let acme: Party;
let rival: Party;

beforeAll(async () => {
  [dns, mailbox] = await Promise.all([startDnsServer(), startMailbox()]);
  app = await startApp({
    DNS_SERVERS: dns.address,
    DNS_TIMEOUT: '400',
    SMTP_URL: mailbox.url,
  });
  [acme, rival] = [await newParty('acme'), await newParty('rival')];
});
afterAll(async () => {
  await app.stop();
  await Promise.all([dns.close(), mailbox.stop()]);
});

beforeEach(async () => {
  dns.zone.clear();
  dns.asked.length = 0;
  await db()('domains').delete();
  await db()('throttles').delete();
});

const db = () => app.runtime.deps.db;
const domains = (): Promise<Domain[]> => db()('domains').orderBy('id');
const recordOf = ({ name }: Pick<Domain, 'name'>) => `_plinto-challenge.${name}`;
const textOf = ({ token }: Pick<Domain, 'token'>) => `plinto-verification=${token}`;
const urlOf = ({ organization }: Party, query = '') =>
  `${app.issuer}/account/organizations/${organization.slug}/domains${query}`;

async function newParty(slug: string): Promise<Party> {
  const email = `owner@${slug}.example`;
  const { id: ownerId } = await app.createUser({ email });
  const made = await transaction(db(), (trx) =>
    createOrganization(trx, SYSTEM, { name: slug.toUpperCase(), slug, ownerId }),
  );
  if (!made.ok) throw new Error(made.reason);
  const { visitor } = await openAccount(app, email);
  return { organization: made.organization, visitor };
}

async function add(party: Party, domain: string): Promise<Page> {
  const page = await party.visitor.open(urlOf(party));
  return party.visitor.submit(page, '/domains', { domain });
}

async function added(party: Party, name: string): Promise<Domain> {
  expect((await add(party, name)).url).toBe(urlOf(party, '?done=domain_added'));
  const { id } = party.organization;
  return db()('domains').where({ organization_id: id }).orderBy('created_at', 'desc').first();
}

async function verify(party: Party, { id }: Domain, origin = app.issuer): Promise<Page> {
  const page = await party.visitor.open(urlOf(party));
  const { hidden } = findForm(page, '/domains');
  const body = new URLSearchParams({ csrf: hidden.csrf ?? '', domain: id });
  const url = `${urlOf(party)}/verify`.replace(app.issuer, origin);
  const headers = { origin: app.issuer };
  return party.visitor.open(url, undefined, { method: 'POST', body, headers });
}

async function proven(party: Party, name: string): Promise<Domain> {
  const domain = await added(party, name);
  dns.zone.set(recordOf(domain), { txt: [textOf(domain)] });
  expect((await verify(party, domain)).url).toBe(urlOf(party, '?done=domain_verified'));
  return domain;
}

async function events(): Promise<unknown[]> {
  const rows = await db()('audit_events').where('type', 'like', 'domain.%').orderBy('id');
  return rows.map(({ type, organization_id: id, data, actor }) => {
    const { slug } =
      [acme, rival].map((one) => one.organization).find((one) => one.id === id) ?? {};
    return [type, slug, data.name, actor.split(':')[0]];
  });
}

describe('adding a domain', () => {
  test('writes it as addresses there are written', () => {
    const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const names = fc.oneof(
      fc.domain(),
      fc.tuple(label, fc.domain()).map((both) => both.join('.')),
    );
    fc.assert(
      fc.property(names, (written) => {
        const inAddress = canonicalEmail(`ada@${written}`)?.slice('ada@'.length) ?? '';
        // Longer ones have no room for the name of their record.
        fc.pre(inAddress.includes('.') && inAddress.length < 230);
        expect(canonicalDomain(written)).toBe(inAddress);
      }),
      { numRuns: 500, seed: 20261124 },
    );
  });

  test.each([
    ['acme.example', 'acme.example'],
    ['  ACME.Example. ', 'acme.example'],
    ['münchen.example', 'xn--mnchen-3ya.example'],
    ['MÜNCHEN.example', 'xn--mnchen-3ya.example'],
    ['ａｃｍｅ.example', 'acme.example'],
    ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['eu.acme.co.uk', 'eu.acme.co.uk'],
  ])('%j is kept as %s', async (written, name) => {
    const page = await add(acme, written);
    expect(page.url).toBe(urlOf(acme, '?done=domain_added'));
    const [domain] = await domains();
    expect(domain).toMatchObject({ name, verified_at: null });
    expect(page.html).toContain(`_plinto-challenge.${name}`);
    expect(page.html).toContain(`plinto-verification=${domain?.token}`);
    expect(domain?.token).toMatch(/^[\w-]{43}$/);
    expect(dns.asked).toEqual([]);
  });

  test.each([
    ['', /not a domain/],
    ['acme', /not a domain/],
    ['localhost', /not a domain/],
    ['127.0.0.1', /not a domain/],
    ['0x7f.1', /not a domain/],
    ['[::1]', /not a domain/],
    ['ada@acme.example', /not a domain/],
    ['https://acme.example/', /not a domain/],
    ['acme.example:53', /not a domain/],
    ['acme..example', /not a domain/],
    ['-acme.example', /not a domain/],
    ['*.acme.example', /not a domain/],
    ['_dmarc.acme.example', /not a domain/],
    ['acme.example\r\nrival.example', /not a domain/],
    ['%61cme.example', /not a domain/],
    ['"><script>alert(1)</script>.example', /not a domain/],
    ['xn--.example', /not a domain/],
    [`${'a'.repeat(64)}.example`, /not a domain/],
    [`${'a.'.repeat(120)}example`, /not a domain/],
    ['gmail.com', /Everybody can get an address/],
    ['ＧＭＡＩＬ.com', /Everybody can get an address/],
    ['web.de', /Everybody can get an address/],
    ['yahoo.co.jp', /Everybody can get an address/],
    ['qq.com', /Everybody can get an address/],
  ])('%j is refused', async (written, words) => {
    const page = await add(acme, written);
    expect([page.status, page.url]).toEqual([422, urlOf(acme)]);
    expect(alertText(page)).toMatch(words);
    expect(page.html).not.toContain('<script>alert(1)');
    expect(await domains()).toEqual([]);
  });

  test('twice is once, and twenty are enough', async () => {
    const first = await added(acme, 'acme.example');
    expect(await added(acme, 'ACME.example')).toEqual(first);
    const { organization } = acme;
    const row = { organization_id: organization.id, token: 'x' };
    await db().raw(
      `INSERT INTO domains (id, organization_id, name, token)
       SELECT gen_random_uuid(), ?, 'd' || n || '.example', ? FROM generate_series(2, 20) n`,
      [row.organization_id, row.token],
    );
    expect(alertText(await add(acme, 'one-more.example'))).toMatch(/twenty/);
    expect((await add(acme, 'acme.example')).status).toBe(200);
    expect(await domains()).toHaveLength(20);
  });

  test('with a field that the form doesn’t have changes nothing', async () => {
    const page = await acme.visitor.open(urlOf(acme));
    const sent = { domain: 'acme.example', verified_at: '2026-01-01' };
    expect(alertText(await acme.visitor.submit(page, '/domains', sent))).toMatch(/verified_at/);
    expect(await domains()).toEqual([]);
  });

  test('needs the permission, and to be a member', async () => {
    const { id } = await app.createUser({ email: 'mel@acme.example' });
    await transaction(db(), async (trx) => {
      await insertMembership(trx, acme.organization.id, id, 'added');
      await insertMembershipRoles(trx, acme.organization.id, id, [BUILTIN_ROLES.member]);
    });
    const { visitor } = await openAccount(app, 'mel@acme.example');
    expect((await visitor.open(urlOf(acme))).status).toBe(403);
    expect((await visitor.open(urlOf(rival))).status).toBe(404);
  });
});

describe('verifying', () => {
  const long = 'v=spf1 '.padEnd(600, 'x');
  const rows: [string, (value: string) => ZoneEntry | undefined, RegExp | undefined][] = [
    ['the record', (value) => ({ txt: [value] }), undefined],
    ['it among others', (value) => ({ txt: ['v=spf1 -all', long, value] }), undefined],
    ['it in chunks', (value) => ({ txt: [[value.slice(0, 7), value.slice(7)]] }), undefined],
    ['it with spaces around', (value) => ({ txt: [` ${value} `] }), undefined],
    ['an alias of it', () => ({ cname: 'challenge.dns.example' }), undefined],
    ['no such name', () => undefined, /no such record yet/],
    ['no texts', () => ({ txt: [] }), /no such record yet/],
    ['other texts', () => ({ txt: ['v=spf1 -all', long] }), /no such record yet/],
    ['it in another case', (value) => ({ txt: [value.toUpperCase()] }), /no such record yet/],
    ['it over two texts', (value) => ({ txt: [value.slice(0, 7), value.slice(7)] }), /no such/],
    ['a part of it', (value) => ({ txt: [value.slice(0, -1)] }), /says something else/],
    ['more than it', (value) => ({ txt: [`${value}x`] }), /says something else/],
    ['an alias of nothing', () => ({ cname: 'gone.example' }), /no such record yet/],
    ['aliases in circles', () => ({ cname: '_plinto-challenge.acme.example' }), /no answer/],
    ['a failure', () => 'SERVFAIL', /no answer/],
    ['a refusal', () => 'REFUSED', /no answer/],
    ['silence', () => 'silence', /no answer/],
  ];

  test.each(rows)('of %s', async (_, entry, refused) => {
    const domain = await added(acme, 'acme.example');
    const answer = entry(textOf(domain));
    if (answer !== undefined) dns.zone.set(recordOf(domain), answer);
    dns.zone.set('challenge.dns.example', { txt: [textOf(domain)] });
    dns.zone.set('acme.example', { txt: [textOf(domain)] });
    const page = await verify(acme, domain);
    const [after] = await domains();
    if (refused === undefined) {
      expect(page.url).toBe(urlOf(acme, '?done=domain_verified'));
      expect(after?.verified_at).toEqual(expect.any(Date));
      expect(page.html).not.toContain('/domains/verify');
    } else {
      expect(page.status).toBe(422);
      expect(alertText(page)).toMatch(refused);
      expect(after).toMatchObject({ verified_at: null, missing_since: null });
    }
  });

  test('takes no other organization’s record, nor one of a parent or a wildcard for it', async () => {
    const [mine, theirs] = [
      await added(acme, 'eu.acme.example'),
      await added(rival, 'acme.example'),
    ];
    dns.zone.set(recordOf(mine), { txt: [textOf(theirs)] });
    expect(alertText(await verify(acme, mine))).toMatch(/says something else/);
    dns.zone.clear();
    dns.zone.set('_plinto-challenge.acme.example', { txt: [textOf(mine)] });
    expect(alertText(await verify(acme, mine))).toMatch(/no such record/);
    dns.zone.set('*.eu.acme.example', { txt: ['v=spf1 -all'] });
    expect(alertText(await verify(acme, mine))).toMatch(/no such record/);
    dns.zone.set('*.eu.acme.example', { txt: [textOf(mine)] });
    expect((await verify(acme, mine)).url).toMatch(/domain_verified$/);
    expect(alertText(await verify(rival, theirs))).toMatch(/says something else/);
  });

  test('ten times at once is one change, recorded once', async () => {
    const before = (await events()).length;
    const domain = await added(acme, 'acme.example');
    dns.zone.set(recordOf(domain), { txt: [textOf(domain)] });
    const pages = await Promise.all(Array.from({ length: 10 }, () => verify(acme, domain)));
    expect(new Set(pages.map(({ url }) => url))).toEqual(
      new Set([urlOf(acme, '?done=domain_verified')]),
    );
    expect((await events()).slice(before)).toEqual([
      ['domain.added', 'acme', 'acme.example', 'user'],
      ['domain.verified', 'acme', 'acme.example', 'user'],
    ]);
  });

  test('gives a domain to one of two organizations that race for it over two servers', async () => {
    const replica = await app.startReplica();
    const other = `http://localhost:${replica.port}`;
    for (let round = 0; round < 3; round += 1) {
      const name = `race${round}.example`;
      const [mine, theirs] = [await added(acme, name), await added(rival, name)];
      dns.zone.set(recordOf(mine), { txt: [textOf(mine), textOf(theirs)] });
      const pages = await Promise.all([verify(acme, mine), verify(rival, theirs, other)]);
      const statuses = pages.map(({ status }) => status).toSorted();
      expect(statuses).toEqual([200, 422]);
      const lost = pages.find(({ status }) => status === 422) as Page;
      expect(alertText(lost)).toMatch(/another organization here has verified this domain/);
      const holder = (await domains()).filter((one) => one.name === name && one.verified_at);
      expect(holder).toHaveLength(1);
    }
    await replica.stop();
  });

  test('of a domain that another has verified names nobody, and works once they let it go', async () => {
    const theirs = await proven(rival, 'shared.example');
    const mine = await added(acme, 'shared.example');
    expect(alertText(await verify(acme, mine))).toMatch(/says something else/);
    dns.zone.set(recordOf(mine), { txt: [textOf(mine)] });
    const taken = await verify(acme, mine);
    expect(alertText(taken)).toMatch(/another organization/);
    expect(taken.html).not.toMatch(/rival/i);
    await rival.visitor.submit(await rival.visitor.open(urlOf(rival)), '/domains/remove');
    expect(await db()('domains').where({ id: theirs.id })).toEqual([]);
    expect((await verify(acme, mine)).url).toMatch(/domain_verified$/);
  });

  test('is done twenty times an hour, then not for a while', async () => {
    const domain = await added(acme, 'acme.example');
    const pages: Page[] = [];
    for (let i = 0; i < 22; i += 1) pages.push(await verify(acme, domain));
    expect(alertText(pages[19] as Page)).toMatch(/no such record/);
    expect(alertText(pages[21] as Page)).toMatch(/tried too often.*second/);
    expect(dns.asked).toHaveLength(21);
    const others = await added(rival, 'rival.example');
    expect(alertText(await verify(rival, others))).toMatch(/no such record/);
  });
});

describe('domains of another organization', () => {
  test.each(['verify', 'remove'])('are none to %s', async (what) => {
    const theirs = await proven(rival, 'rival.example');
    await added(acme, 'acme.example');
    const { hidden } = findForm(await acme.visitor.open(urlOf(acme)), `/domains/${what}`);
    const send = (id: string) =>
      acme.visitor.open(`${urlOf(acme)}/${what}`, undefined, {
        method: 'POST',
        body: new URLSearchParams({ ...hidden, domain: id }),
        headers: { origin: app.issuer },
      });
    for (const id of [theirs.id, 'x', "' OR 1=1 --", '']) {
      expect((await send(id)).status).toBe(404);
    }
    expect(await domains()).toHaveLength(2);
  });
});

describe('removing', () => {
  test('sent twice leads to the same place and is recorded once', async () => {
    await proven(acme, 'acme.example');
    const before = (await events()).length;
    const page = await acme.visitor.open(urlOf(acme));
    for (let i = 0; i < 2; i += 1) {
      const { url, status } = await acme.visitor.submit(page, '/domains/remove');
      expect([url, status]).toEqual([urlOf(acme, '?done=domain_removed'), 200]);
    }
    expect((await events()).slice(before)).toEqual([
      ['domain.removed', 'acme', 'acme.example', 'user'],
    ]);
  });
});

const LOST = 'Your organization at Plinto lost a domain';

describe('the daily check', () => {
  /** Lets the last look be so many days ago, and has every replica look. */
  async function recheck(...aged: Domain[]): Promise<Domain[]> {
    const ids = aged.map(({ id }) => id);
    const ago = db().raw("now() - interval '24 hours'");
    await db()('domains').whereIn('id', ids).update({ checked_at: ago });
    const runs = 4;
    const done = () => jobsLeft();
    await transaction(db(), async (trx) => {
      for (let i = 0; i < runs; i += 1) await addJob(trx, 'recheck-domains', {});
    });
    await vi.waitFor(async () => expect(await done()).toBe(0), { timeout: 20_000, interval: 50 });
    return db()('domains').whereIn('id', ids).orderBy('id');
  }
  async function jobsLeft(): Promise<number> {
    const { rows } = await db().raw(
      "SELECT FROM graphile_worker.jobs WHERE task_identifier = 'recheck-domains'",
    );
    return rows.length;
  }
  const missFor = (days: number, { id }: Domain) =>
    db()('domains')
      .where({ id })
      .update({ missing_since: db().raw('now() - make_interval(days => ?)', [days]) });

  test('keeps what is there, and asks once for each', async () => {
    const all = await Promise.all([proven(acme, 'a.example'), proven(rival, 'b.example')]);
    await missFor(9, all[0]);
    dns.asked.length = 0;
    for (const row of await recheck(...all)) {
      expect(row).toMatchObject({ verified_at: expect.any(Date), missing_since: null });
    }
    expect(dns.asked.toSorted()).toEqual(all.map(recordOf).toSorted());
    dns.asked.length = 0;
    await recheck();
    expect(dns.asked).toEqual([]);
  });

  const missing: [string, ZoneEntry | undefined][] = [
    ['no such name', undefined],
    ['no texts', { txt: [] }],
    ['the record of somebody else', { txt: [`plinto-verification=${'x'.repeat(43)}`] }],
  ];
  test.each(missing)('waits a week at %s, then takes the domain away', async (_, entry) => {
    const domain = await proven(acme, 'acme.example');
    const before = (await events()).length;
    dns.zone.clear();
    if (entry) dns.zone.set(recordOf(domain), entry);
    const [first] = await recheck(domain);
    expect(first).toMatchObject({ verified_at: expect.any(Date), missing_since: expect.any(Date) });
    expect((await acme.visitor.open(urlOf(acme))).html).toContain('has been missing since');
    await missFor(6, domain);
    const [later] = await recheck(domain);
    expect(later?.verified_at).not.toBeNull();
    expect((await events()).slice(before)).toEqual([]);
    await missFor(8, domain);
    const after = mailbox.messages.length;
    const [last] = await recheck(domain);
    expect(last).toMatchObject({ verified_at: null, missing_since: null });
    expect((await events()).slice(before)).toEqual([
      ['domain.lost', 'acme', 'acme.example', 'system'],
    ]);
    const mail = await mailbox.waitFor(({ subject }) => subject === LOST, { after });
    expect(mail.recipients).toEqual(['owner@acme.example']);
    expect(mail.text).toContain('acme.example belongs to ACME');
    expect(mail.text).toContain(urlOf(acme));
  });

  test.each<ZoneEntry>(['SERVFAIL', 'REFUSED', 'silence'])(
    'takes nothing away at %s, however long',
    async (entry) => {
      const domain = await proven(acme, 'acme.example');
      await missFor(30, domain);
      dns.zone.set(recordOf(domain), entry);
      const [row] = await recheck(domain);
      expect(row?.verified_at).not.toBeNull();
    },
  );

  test('by hand shows that a record is back', async () => {
    const domain = await proven(acme, 'acme.example');
    await missFor(3, domain);
    expect((await verify(acme, domain)).html).not.toContain('has been missing since');
    expect((await domains())[0]).toMatchObject({ missing_since: null });
  });
});
