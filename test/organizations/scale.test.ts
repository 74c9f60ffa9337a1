import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { openAccount } from '../account/account.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../support/authorization.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';
import { findForm, type Visitor } from '../support/visitor.ts';

/** How much there is of everything. */
type Size = { organizations: number; members: number; memberships: number };
const SMALL: Size = { organizations: 5, members: 30, memberships: 3 };
const LARGE: Size = { organizations: 10_000, members: 100_000, memberships: 200 };

/** What there is much of: whoever reads one of these whole is slower each day. */
const GROWING = ['membership_roles', 'memberships', 'organizations', 'users'];

type House = {
  app: TestApp;
  database: TestDatabase;
  visitor: Visitor;
  client: Credentials;
  refreshToken: string;
};

let small: House;
let large: House;

beforeAll(async () => {
  [small, large] = [await build(SMALL), await build(LARGE)];
}, 120_000);
afterAll(() => Promise.all([small, large].map(({ app }) => app.stop())));

/** An installation of a size, with somebody signed in who owns its largest organization, `acme`. */
async function build(size: Size): Promise<House> {
  const database = await createDatabase();
  const app = await startApp({}, database);
  const { db } = app.runtime.deps;
  const owner = await app.createUser({ email: 'owner@example.com' });
  const made = await transaction(db, (trx) =>
    createOrganization(trx, SYSTEM, { name: 'Acme', ownerId: owner.id }),
  );
  if (!made.ok) throw new Error(made.reason);
  await fill(database, size, { acme: made.organization.id, owner: owner.id });
  const client = await app.createClient({ scope: 'openid email offline_access organizations' });
  const { visitor } = await openAccount(app, 'owner@example.com');
  const house = { app, database, visitor, client, refreshToken: '' };
  return { ...house, refreshToken: await issueToken(house) };
}

async function fill(
  { url }: TestDatabase,
  { organizations, members, memberships }: Size,
  { acme, owner }: { acme: string; owner: string },
): Promise<void> {
  const sql = new pg.Client({ connectionString: url });
  await sql.connect();
  await sql.query(
    `INSERT INTO users (id, email, email_verified_at, given_name, family_name)
     SELECT gen_random_uuid(), 'member' || n || '@acme.example', now(),
       chr(97 + n % 26) || 'ndrea', 'Number ' || n FROM generate_series(1, $1::int) n`,
    [members],
  );
  await sql.query(
    `INSERT INTO memberships (organization_id, user_id, source)
     SELECT $1, id, 'added' FROM users WHERE email LIKE '%@acme.example'`,
    [acme],
  );
  await sql.query(
    `INSERT INTO organizations (id, slug, name)
     SELECT gen_random_uuid(), 'customer-' || n, 'Customer ' || n FROM generate_series(1, $1::int) n`,
    [organizations],
  );
  await sql.query(
    `INSERT INTO memberships (organization_id, user_id, source)
     SELECT id, $1, 'added' FROM organizations WHERE slug LIKE 'customer-%'
     ORDER BY created_at, slug LIMIT $2`,
    [owner, memberships - 1],
  );
  await sql.query(
    `INSERT INTO membership_roles (organization_id, user_id, role_id, role_scope)
     SELECT m.organization_id, m.user_id, r.id, r.scope FROM memberships m, roles r
     WHERE r.key = 'member' ON CONFLICT DO NOTHING`,
  );
  await sql.query('ANALYZE');
  await sql.end();
}

/** An app's whole way to tokens for an organization, by the session there is. */
async function issueToken({ app, visitor, client }: House): Promise<string> {
  const params = { organization: 'acme', scope: 'openid email offline_access' };
  const { url } = await visitor.open(authorizationUrl(app, client.client.id, params), CALLBACK);
  const { code = '' } = callbackParams(url);
  const tokens = (await (await redeem(app, client, code)).json()) as Record<string, string>;
  if (tokens.refresh_token === undefined) throw new Error(JSON.stringify(tokens));
  return tokens.refresh_token;
}

async function refresh(house: House): Promise<void> {
  const fields = { grant_type: 'refresh_token', refresh_token: house.refreshToken };
  const response = await postAs(`${house.app.issuer}/token`, house.client, fields);
  const tokens = (await response.json()) as Record<string, string>;
  expect(response.status).toBe(200);
  house.refreshToken = tokens.refresh_token ?? '';
}

const openPage = (path: string, shows: string) => async (house: House) => {
  const page = await house.visitor.open(`${house.app.issuer}/account/organizations/acme${path}`);
  expect(page.html.includes(shows)).toBe(true);
};

async function invite({ app, visitor }: House): Promise<void> {
  const url = `${app.issuer}/account/organizations/acme/invitations`;
  const page = await visitor.open(url);
  const { action, hidden } = findForm(page, '/invitations');
  const addresses = `${randomUUID()}@example.org`;
  const fields = new URLSearchParams({ ...hidden, addresses, [BUILTIN_ROLES.member]: 'yes' });
  const response = await visitor.request(action, { method: 'POST', body: fields });
  expect(response.status).toBe(303);
  await response.text();
  const results = await visitor.open(new URL(response.headers.get('location') ?? '', url).href);
  expect(results.html).toContain(`${app.issuer}/join/`);
}

const TASKS: [string, (house: House) => Promise<unknown>, number][] = [
  ['a page of members', openPage('/members', 'ndrea'), 30],
  ['a search for a member', openPage('/members?search=member17%40', 'member17@'), 30],
  ['an invitation', invite, 15],
  ['tokens for one of many organizations', issueToken, 30],
  ['a refresh', refresh, 30],
];

test.each(TASKS)('%s takes no longer where there is much of everything', async (_, act, times) => {
  const took: Record<'small' | 'large', number[]> = { small: [], large: [] };
  for (let round = 0; round < times; round += 1) {
    // Each right after the other, so that what else the machine does slows both.
    took.small.push(await timed(() => act(small)));
    took.large.push(await timed(() => act(large)));
  }
  expect(quartileOf(took.large) / quartileOf(took.small)).toBeLessThan(1.5);
});

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

/** What a quarter of the times stay below: the rest is what else the machine does. */
function quartileOf(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)] ?? Number.NaN;
}

test('none of it reads a growing table whole', async () => {
  const before = await scansOf(large.database);
  for (const [, act] of TASKS) await act(large);
  await large.visitor.open(`${large.app.issuer}/account/organizations`);
  // PostgreSQL counts a connection's reads by its end at the latest.
  await large.app.runtime.close();
  expect(await scansOf(large.database)).toEqual(before);
});

/** How often each growing table was read from end to end. */
async function scansOf({ url }: TestDatabase): Promise<Record<string, string>> {
  const sql = new pg.Client({ connectionString: url });
  await sql.connect();
  const { rows } = await sql.query(
    'SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY ($1) ORDER BY 1',
    [GROWING],
  );
  await sql.end();
  return Object.fromEntries(rows.map(({ relname, seq_scan }) => [relname, seq_scan]));
}
