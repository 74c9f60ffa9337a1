import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { addDomain } from '../../src/organizations/domains/add-domain.ts';
import { joinByDomain } from '../../src/organizations/domains/join.ts';
import { removeDomain } from '../../src/organizations/domains/remove-domain.ts';
import { verifyDomain } from '../../src/organizations/domains/verify-domain.ts';
import { lockOrganizationFor, type Organization } from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  redeem,
} from '../support/authorization.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, newOrganization, newUser, rolesOf } from './organizations-app.ts';

let app: TestApp;
let acme: Organization;
let owner: User;
let domainId: string;

beforeAll(async () => {
  app = await startApp();
  ({ user: owner } = await newUser(app));
});
afterAll(() => app.stop());

beforeEach(async () => {
  await db()('domains').delete();
  acme = await newOrganization(app, owner.id);
  domainId = await prove(acme.id, 'acme.example');
  await db()('organizations').where({ id: acme.id }).update({ join_by_domain: true });
});

const db = () => app.runtime.deps.db;
const change = <T>(work: (trx: Trx) => Promise<T>) => transaction(db(), work);

/** Somebody at an address that nobody had before in this file. */
let people = 0;
async function somebodyAt(domain: string, verified = true): Promise<{ user: User; email: string }> {
  people += 1;
  const email = `colleague${people}@${domain}`;
  return { email, user: await app.createUser({ email, emailVerified: verified }) };
}

function prove(organizationId: string, name: string): Promise<string> {
  return change(async (trx) => {
    const added = await addDomain(trx, app.runtime.deps, SYSTEM, organizationId, name);
    if (!added.ok) throw new Error(added.reason);
    await verifyDomain(trx, SYSTEM, added.domain, 'found');
    return added.domain.id;
  });
}

const setMembership = async (user: User, status: 'active' | 'suspended' | 'gone') => {
  const row = { organization_id: acme.id, user_id: user.id };
  if (status === 'gone') {
    await db()('memberships').insert({ ...row, source: 'invited' });
    await db()('memberships').where(row).delete();
  } else {
    await db()('memberships').insert({ ...row, source: 'invited', status });
  }
};
const setOrganization = (values: object) =>
  db()('organizations').where({ id: acme.id }).update(values);

type Row = [string, who: () => Promise<{ user: User; email: string }>, may: boolean];

const ROWS: Row[] = [
  ['a verified address of the domain', () => somebodyAt('acme.example'), true],
  ['it in another case', () => somebodyAt('ACME.Example'), true],
  [
    'who was a member before',
    async () => {
      const who = await somebodyAt('acme.example');
      await setMembership(who.user, 'gone');
      return who;
    },
    true,
  ],
  ['an address that isn’t verified', () => somebodyAt('acme.example', false), false],
  ['an address of a subdomain', () => somebodyAt('eu.acme.example'), false],
  ['one of a domain that ends alike', () => somebodyAt('not-acme.example'), false],
  ['one of another domain', () => somebodyAt('example.com'), false],
  [
    'a suspended member',
    async () => {
      const who = await somebodyAt('acme.example');
      await setMembership(who.user, 'suspended');
      return who;
    },
    false,
  ],
  [
    'nobody while the rules don’t let them',
    async () => {
      await setOrganization({ join_by_domain: false });
      return somebodyAt('acme.example');
    },
    false,
  ],
  [
    'nobody while the organization is being deleted',
    async () => {
      await setOrganization({ delete_after: db().raw("now() + interval '1 day'") });
      return somebodyAt('acme.example');
    },
    false,
  ],
  [
    'nobody once the domain isn’t proven any more',
    async () => {
      await db()('domains').update({ verified_at: null });
      return somebodyAt('acme.example');
    },
    false,
  ],
];

describe('joining by domain', () => {
  test.each(ROWS)('%s', async (_, who, may) => {
    const { user, email } = await who();
    const before = await rolesOf(app, acme.id);
    const { visitor, page } = await openAccount(app, email, '/account/organizations');
    expect(page.html.includes('/organizations/join')).toBe(may);
    expect(page.html.includes(acme.name)).toBe(may);
    const answer = await join(visitor, page);
    if (may) {
      expect(answer.url).toBe(
        `${app.issuer}/account/organizations/${acme.slug}?done=organization_joined`,
      );
      expect(await rolesOf(app, acme.id)).toEqual({ ...before, [user.id]: ['member'] });
      expect(await db()('memberships').where({ user_id: user.id }).first()).toMatchObject({
        source: 'domain',
        status: 'active',
      });
      // Sent again, it leads to the same place and changes nothing.
      expect((await join(visitor, page)).url).toBe(answer.url);
      expect((await eventsOf(app, acme.id)).filter((type) => type === 'member.added')).toHaveLength(
        1,
      );
    } else {
      expect(answer.status).toBe(404);
      expect(await rolesOf(app, acme.id)).toEqual(before);
    }
  });

  /** The form as the page of somebody who may join has it. */
  async function join(visitor: Visitor, page: Page, organization = acme.id): Promise<Page> {
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    return visitor.open(`${app.issuer}/account/organizations/join`, undefined, {
      method: 'POST',
      body: new URLSearchParams({ csrf, organization }),
      headers: { origin: app.issuer },
    });
  }

  test('is of no organization but the one whose domain it is', async () => {
    const other = await newOrganization(app, owner.id);
    await prove(other.id, 'other.example');
    await db()('organizations').where({ id: other.id }).update({ join_by_domain: true });
    const { email } = await somebodyAt('acme.example');
    const { visitor, page } = await openAccount(app, email, '/account/organizations');
    expect(page.html).not.toContain(other.name);
    for (const id of [other.id, acme.slug, 'x', '']) {
      expect((await join(visitor, page, id)).status).toBe(404);
    }
    expect(await rolesOf(app, other.id)).toEqual({ [owner.id]: ['owner'] });
  });

  test('waits for a change of the organization that goes before, and heeds it', async () => {
    const { user } = await somebodyAt('acme.example');
    let joining: Promise<boolean> | undefined;
    await change(async (trx) => {
      await lockOrganizationFor(trx, acme.id, undefined);
      joining = change((other) => joinByDomain(other, SYSTEM, acme.id, user));
      await removeDomain(trx, SYSTEM, acme.id, domainId);
    });
    expect(await joining).toBe(false);
  });

  test('goes by the address that somebody has by then', async () => {
    const { user } = await somebodyAt('acme.example');
    await db()('users').where({ id: user.id }).update({ email: 'elsewhere@example.net' });
    expect(await change((trx) => joinByDomain(trx, SYSTEM, acme.id, user))).toBe(false);
  });
});

describe('signing in to an organization', () => {
  async function begin(): Promise<{
    visitor: Visitor;
    page: Page;
    user: User;
    credentials: Credentials;
  }> {
    const credentials = await app.createClient();
    const { email, user } = await somebodyAt('acme.example');
    const visitor = createVisitor();
    const url = authorizationUrl(app, credentials.client.id, { organization: acme.slug });
    const login = await visitor.open(url);
    const typed = { identifier: email, password: PASSWORD };
    const page = await visitor.submit(login, '/login', typed, CALLBACK);
    return { visitor, page, user, credentials };
  }

  test('offers to join it, and goes on as a member of it', async () => {
    const { visitor, page, user, credentials } = await begin();
    expect(pageName(page)).toBe('join-organization');
    expect(page.html).toContain('acme.example');
    expect(page.html).toContain(acme.name);
    expect(await rolesOf(app, acme.id)).not.toHaveProperty(user.id);
    const done = await visitor.submit(page, '/join-organization', {}, CALLBACK);
    const { code = '' } = callbackParams(done.url);
    const answer = await redeem(app, credentials, code);
    const tokens = (await answer.json()) as { id_token: string };
    expect(decodeJwt(tokens.id_token)).toMatchObject({
      org_id: acme.id,
      org_roles: ['member'],
    });
  });

  test('makes nobody a member who gives up', async () => {
    const { visitor, page, user } = await begin();
    const done = await visitor.submit(page, '/abort', {}, CALLBACK);
    expect(callbackParams(done.url)).toMatchObject({ error: 'access_denied' });
    expect(await rolesOf(app, acme.id)).not.toHaveProperty(user.id);
  });

  test('says so when it isn’t open any more', async () => {
    const { visitor, page, user } = await begin();
    await setOrganization({ join_by_domain: false });
    const refused = await visitor.submit(page, '/join-organization', {}, CALLBACK);
    expect(pageName(refused)).toBe('organization-refused');
    expect(await rolesOf(app, acme.id)).not.toHaveProperty(user.id);
  });
});
