import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../../src/audit/events.ts';
import { BUILTIN_ROLES } from '../../../src/organizations/permissions.ts';
import { updateRole } from '../../../src/organizations/roles/update-role.ts';
import type { Organization } from '../../../src/organizations/store.ts';
import { assignApi, createApi, verifyAccessToken } from '../../support/api.ts';
import { startApp, type TestApp } from '../../support/app.ts';
import { type Credentials, postAs } from '../../support/authorization.ts';
import { pageName } from '../../support/visitor.ts';
import {
  type Answer,
  answerTo,
  authorize,
  change,
  endOf,
  introspect,
  join,
  makeOrganization,
  makeRole,
  type Person,
  signedIn,
} from './tokens-app.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/** APIs by a short name: `orders` and `plain` and `tenant` by JWT, `stock` by opaque tokens. */
const APIS = {
  orders: 'https://api.example.com/orders',
  stock: 'https://api.example.com/stock',
  plain: 'https://api.example.com/plain',
  tenant: 'https://api.example.com/tenant',
} as const;
type Api = keyof typeof APIS;

/** Permissions, of which the last of each API is assigned to no client. */
const PERMISSIONS = {
  orders: ['orders:read', 'orders:write', 'orders:purge'],
  stock: ['stock:read', 'stock:write', 'stock:purge'],
  plain: ['plain:read', 'plain:purge'],
  tenant: ['tenant:read', 'tenant:write', 'tenant:purge'],
} as const;

type Name = 'olga' | 'adam' | 'mia' | 'carl' | 'audrey' | 'sam' | 'nora' | 'bob';
type Kind = 'web' | 'third' | 'spa' | 'device' | 'robot' | 'stray' | 'foreign';

let app: TestApp;
let acme: Organization;
let beta: Organization;
const people = {} as Record<Name, Person>;
const clients = {} as Record<Kind, Credentials>;

beforeAll(async () => {
  app = await startApp();
  for (const api of Object.keys(APIS) as Api[]) {
    await createApi(app, APIS[api], [...PERMISSIONS[api]], {
      token_format: api === 'stock' ? 'opaque' : 'jwt',
      organizations: api === 'plain' ? 'none' : api === 'tenant' ? 'required' : 'optional',
    });
  }
  clients.web = await app.createClient();
  for (const name of ['olga', 'adam', 'mia', 'carl', 'audrey', 'sam', 'nora', 'bob'] as const) {
    people[name] = await signedIn(app, clients.web, name);
  }
  acme = await makeOrganization(app, 'acme', people.olga);
  beta = await makeOrganization(app, 'beta', people.bob);
  clients.third = await app.createClient({ firstParty: false });
  clients.spa = await app.createClient({ kind: 'spa' });
  clients.device = await app.createClient({ kind: 'native' });
  const machine = { kind: 'machine' } as const;
  clients.robot = await app.createClient({ ...machine, organizationId: acme.id });
  clients.stray = await app.createClient(machine);
  clients.foreign = await app.createClient({ ...machine, organizationId: beta.id });
  for (const { client } of Object.values(clients)) {
    for (const api of Object.keys(APIS) as Api[]) {
      await assignApi(app, client as never, APIS[api], PERMISSIONS[api].slice(0, -1));
    }
  }
  await giveRoles();
});
afterAll(() => app.stop());

async function giveRoles(): Promise<void> {
  const give = (key: 'admin' | 'member', api: Record<string, string[]>) =>
    change(app, (trx) =>
      updateRole(
        trx,
        SYSTEM,
        'installation',
        { organizationId: null, id: BUILTIN_ROLES[key] },
        () => ({ api }),
      ),
    );
  await give('admin', { [APIS.orders]: ['orders:read', 'orders:write', 'orders:purge'] });
  await give('member', { [APIS.orders]: ['orders:read'] });
  const clerk = await makeRole(app, acme, 'clerk', {
    [APIS.stock]: ['stock:read', 'stock:purge'],
    [APIS.tenant]: ['tenant:read'],
  });
  const keeper = await makeRole(app, beta, 'keeper', {
    [APIS.orders]: ['orders:write'],
    [APIS.stock]: ['stock:write'],
    [APIS.tenant]: ['tenant:write'],
  });
  const auditor = await makeRole(app, undefined, 'auditor', {
    [APIS.orders]: ['orders:read'],
    [APIS.stock]: ['stock:read', 'stock:write'],
  });
  await join(app, acme, people.adam, 'admin');
  await join(app, acme, people.mia, 'member');
  await join(app, acme, people.carl, clerk);
  await join(app, acme, people.audrey, auditor);
  await join(app, acme, people.sam, clerk, auditor, 'member');
  await join(app, acme, people.nora);
  await join(app, beta, people.carl, keeper);
  await join(app, beta, people.adam, 'member');
}

type Ask = {
  as: Name;
  /** Slug of the organization; none unless given. */
  in?: string;
  by?: Kind;
  /** Short names of scopes, `read` of the API, that are asked for. */
  for: string;
  of: Api | Api[];
  /** The API of the token, where several are asked for. */
  take?: Api;
  /** Asks for the API alone, not for the person too. */
  bare?: true;
};

/** What a token for an API says, by whatever way it came to be. */
type Said = { scope: string; permissions: unknown; org: unknown; roles: unknown };

async function read(client: Credentials, answer: Answer, api: Api): Promise<Said> {
  const said =
    api === 'stock'
      ? await introspect(app, client, answer.access_token)
      : (await verifyAccessToken(app.issuer, answer.access_token, APIS[api])).payload;
  expect(said.aud).toBe(APIS[api]);
  const { scope = '', permissions, org_slug: org, org_roles: roles } = said;
  return { scope: sorted(String(scope)), permissions, org, roles };
}

const sorted = (scope: string) => scope.split(' ').filter(Boolean).sort().join(' ');

/** Scopes of the APIs by their short names: `read` of `orders` and `stock` is both. */
function scopesOf(names: string, apis: readonly Api[]): string {
  return apis
    .flatMap((api) => names.split(' ').map((name) => `${api}:${name}`))
    .join(' ')
    .trim();
}

async function viaDevice(person: Person, client: Credentials, fields: Record<string, string>) {
  const begun = await postAs(`${app.issuer}/device/authorize`, client, fields);
  const { device_code, user_code, error } = (await begun.json()) as Record<string, string>;
  if (error !== undefined) return error;
  const { visitor } = person;
  const page = await visitor.open(`${app.issuer}/device`);
  const asked = await visitor.submit(page, '/device', { user_code: String(user_code) });
  const done = await visitor.submit(asked, '/device');
  if (pageName(done) !== 'device-done') return `page ${pageName(done)}`;
  const { resource } = fields;
  const polled = await postAs(`${app.issuer}/token`, client, {
    grant_type: DEVICE_CODE,
    device_code: String(device_code),
    ...(resource === undefined ? {} : { resource }),
  });
  return (await polled.json()) as Answer;
}

/** What comes of a row: what the token says, or the error. */
async function resultOf({ as, in: organization, by = 'web', ...ask }: Ask): Promise<Said | string> {
  const apis = [ask.of].flat();
  const api = ask.take ?? (apis[0] as Api);
  const scope = `${ask.bare ? '' : 'openid '}${scopesOf(ask.for, apis)}`;
  const client = clients[by];
  if (by === 'device') {
    const fields = { scope, resource: APIS[api], ...(organization && { organization }) };
    const answer = await viaDevice(people[as], client, fields);
    return typeof answer === 'string' ? answer : read(client, answer, api);
  }
  const url = { scope, organization, nonce: ask.bare ? undefined : 'n' };
  const page = await openFor(people[as], client, url, apis);
  if (endOf(page) !== 'code') return endOf(page);
  const answer = await answerTo(app, client, page, { resource: APIS[api] });
  return answer.error ?? read(client, answer, api);
}

async function openFor(
  person: Person,
  client: Credentials,
  params: Record<string, string | undefined>,
  apis: Api[],
) {
  const [first, ...more] = apis.map((api) => APIS[api]);
  // A parameter that stands there twice doesn't fit into a record.
  const visitor = {
    ...person.visitor,
    open: (url: string, stopAt?: string) =>
      person.visitor.open(
        more.reduce((whole, resource) => `${whole}&resource=${encodeURIComponent(resource)}`, url),
        stopAt,
      ),
  };
  return authorize(app, { visitor }, client, { ...params, resource: first });
}

// Requested ∩ assigned to the client ∩ held in that organization. Every client is assigned `read` and
// `write` of each API, and `purge` of none.
const ROWS: [Ask, string][] = [
  // Who: in acme, each of the three asked for.
  [{ as: 'olga', in: 'acme', for: 'read write purge', of: 'orders' }, 'orders:read orders:write'],
  [{ as: 'adam', in: 'acme', for: 'read write purge', of: 'orders' }, 'orders:read orders:write'],
  [{ as: 'mia', in: 'acme', for: 'read write purge', of: 'orders' }, 'orders:read'],
  [{ as: 'carl', in: 'acme', for: 'read write purge', of: 'orders' }, ''],
  [{ as: 'audrey', in: 'acme', for: 'read write purge', of: 'orders' }, 'orders:read'],
  [{ as: 'sam', in: 'acme', for: 'read write purge', of: 'orders' }, 'orders:read'],
  [{ as: 'nora', in: 'acme', for: 'read write purge', of: 'orders' }, ''],
  [{ as: 'olga', in: 'acme', for: 'read write purge', of: 'stock' }, 'stock:read stock:write'],
  [{ as: 'adam', in: 'acme', for: 'read write purge', of: 'stock' }, ''],
  [{ as: 'mia', in: 'acme', for: 'read write purge', of: 'stock' }, ''],
  [{ as: 'carl', in: 'acme', for: 'read write purge', of: 'stock' }, 'stock:read'],
  [{ as: 'audrey', in: 'acme', for: 'read write purge', of: 'stock' }, 'stock:read stock:write'],
  [{ as: 'sam', in: 'acme', for: 'read write purge', of: 'stock' }, 'stock:read stock:write'],
  [{ as: 'olga', in: 'acme', for: 'read write purge', of: 'tenant' }, 'tenant:read tenant:write'],
  [{ as: 'carl', in: 'acme', for: 'read write purge', of: 'tenant' }, 'tenant:read'],
  [{ as: 'sam', in: 'acme', for: 'read write purge', of: 'tenant' }, 'tenant:read'],
  [{ as: 'audrey', in: 'acme', for: 'read write purge', of: 'tenant' }, ''],
  // Where: what somebody holds in one organization is nothing in another.
  [{ as: 'carl', in: 'beta', for: 'read write purge', of: 'orders' }, 'orders:write'],
  [{ as: 'carl', in: 'beta', for: 'read write purge', of: 'stock' }, 'stock:write'],
  [{ as: 'carl', in: 'beta', for: 'read write purge', of: 'tenant' }, 'tenant:write'],
  [{ as: 'adam', in: 'beta', for: 'read write purge', of: 'orders' }, 'orders:read'],
  [{ as: 'bob', in: 'beta', for: 'read write purge', of: 'orders' }, 'orders:read orders:write'],
  // Without an organization it is between the person and the app, as ever.
  [{ as: 'nora', for: 'read write purge', of: 'orders' }, 'orders:read orders:write'],
  [{ as: 'carl', for: 'read', of: 'stock' }, 'stock:read'],
  [{ as: 'olga', for: 'read purge', of: 'plain' }, 'plain:read'],
  // What: no more than was asked for.
  [{ as: 'olga', in: 'acme', for: 'write', of: 'orders' }, 'orders:write'],
  [{ as: 'mia', in: 'acme', for: 'write', of: 'orders' }, ''],
  [{ as: 'olga', in: 'acme', for: 'purge', of: 'orders' }, ''],
  [{ as: 'olga', in: 'acme', for: 'invented', of: 'orders' }, ''],
  [{ as: 'olga', in: 'acme', for: 'write', of: 'orders', bare: true }, 'orders:write'],
  [{ as: 'carl', in: 'acme', for: 'read write', of: 'stock', bare: true }, 'stock:read'],
  // By whom.
  [
    { as: 'adam', in: 'acme', by: 'third', for: 'read write purge', of: 'orders' },
    'orders:read orders:write',
  ],
  [{ as: 'mia', in: 'acme', by: 'third', for: 'read write', of: 'orders' }, 'orders:read'],
  [{ as: 'carl', in: 'beta', by: 'third', for: 'read write', of: 'stock' }, 'stock:write'],
  [{ as: 'mia', by: 'third', for: 'read write purge', of: 'orders' }, 'orders:read orders:write'],
  [{ as: 'mia', in: 'acme', by: 'spa', for: 'read write', of: 'orders' }, 'orders:read'],
  [{ as: 'sam', in: 'acme', by: 'spa', for: 'read write', of: 'stock' }, 'stock:read stock:write'],
  [{ as: 'sam', in: 'acme', by: 'spa', for: 'read write', of: 'tenant' }, 'tenant:read'],
  [{ as: 'mia', in: 'acme', by: 'device', for: 'read write', of: 'orders' }, 'orders:read'],
  [{ as: 'carl', in: 'beta', by: 'device', for: 'read write', of: 'tenant' }, 'tenant:write'],
  [{ as: 'carl', by: 'device', for: 'read write', of: 'orders' }, 'orders:read orders:write'],
  // Two at once: one token for each.
  [{ as: 'sam', in: 'acme', for: 'read write', of: ['orders', 'stock'] }, 'orders:read'],
  [
    { as: 'sam', in: 'acme', for: 'read write', of: ['orders', 'stock'], take: 'stock' },
    'stock:read stock:write',
  ],
  [
    { as: 'carl', in: 'acme', for: 'read write', of: ['orders', 'tenant'], take: 'tenant' },
    'tenant:read',
  ],
  [{ as: 'carl', in: 'acme', for: 'read write', of: ['orders', 'tenant'], take: 'orders' }, ''],
];

const titled = <T extends [Ask, string]>(rows: T[]): [string, Ask, string][] =>
  rows.map(([ask, expected]) => {
    const { as, in: slug = 'no organization', by = 'web', for: scopes, of, take, bare } = ask;
    const api = take ? `${[of].flat().join('+')} for ${take}` : [of].flat().join('+');
    const title = `${as} in ${slug} by ${by}${bare ? ' bare' : ''}: ${scopes} of ${api}`;
    return [`${title} → ${expected || 'none'}`, ask, expected];
  });

describe('a token for an API has what was asked for, the app was assigned and the person holds there', () => {
  test.each(titled(ROWS))('%s', async (_title, ask, expected) => {
    const said = await resultOf(ask);
    const permissions = ask.in === undefined ? undefined : expected.split(' ').filter(Boolean);
    expect(said).toMatchObject({ scope: expected, org: ask.in });
    if (typeof said === 'string') return;
    expect(sortedList(said.permissions)).toEqual(permissions);
    if (ask.in === undefined) expect(said.roles).toBeUndefined();
  });
});

const sortedList = (list: unknown) => (Array.isArray(list) ? list.toSorted() : list);

describe('no token', () => {
  test.each(
    titled([
      // What an API makes of organizations.
      [{ as: 'olga', in: 'acme', for: 'read', of: 'plain' }, 'invalid_target'],
      [{ as: 'olga', for: 'read', of: 'tenant' }, 'invalid_target'],
      [{ as: 'olga', in: 'acme', for: 'read', of: ['orders', 'plain'] }, 'invalid_target'],
      [{ as: 'olga', for: 'read', of: ['orders', 'tenant'] }, 'invalid_target'],
      [{ as: 'olga', in: 'acme', by: 'device', for: 'read', of: 'plain' }, 'invalid_target'],
      // Nothing of what alone was asked for is held.
      [{ as: 'nora', in: 'acme', for: 'write', of: 'orders', bare: true }, 'access_denied'],
      [
        { as: 'mia', in: 'acme', by: 'spa', for: 'write', of: 'orders', bare: true },
        'access_denied',
      ],
      // Where they don't belong.
      [{ as: 'bob', in: 'acme', for: 'read', of: 'orders' }, 'page organization-refused'],
      [
        { as: 'bob', in: 'acme', by: 'device', for: 'read', of: 'orders' },
        'page organization-refused',
      ],
      [{ as: 'bob', in: 'nowhere', for: 'read', of: 'orders' }, 'page organization-refused'],
    ]),
  )('%s', async (_title, ask, expected) => {
    expect(await resultOf(ask)).toBe(expected);
  });
});

describe('a machine', () => {
  const token = async (by: Kind, api: Api, fields: Record<string, string> = {}) => {
    const ask = { grant_type: 'client_credentials', resource: APIS[api], ...fields };
    const scope = scopesOf('read write purge', [api]);
    const answer = await postAs(`${app.issuer}/token`, clients[by], { scope, ...ask });
    return (await answer.json()) as Answer;
  };

  test.each<[Kind, Api, string | undefined]>([
    ['robot', 'orders', 'acme'],
    ['robot', 'stock', 'acme'],
    ['robot', 'tenant', 'acme'],
    ['foreign', 'orders', 'beta'],
    ['foreign', 'tenant', 'beta'],
    ['stray', 'orders', undefined],
    ['stray', 'stock', undefined],
    ['stray', 'plain', undefined],
  ])('%s gets what it was assigned of %s, in %s', async (by, api, slug) => {
    const answer = await token(by, api);
    const said = await read(clients[by], answer, api);
    const scope = PERMISSIONS[api].slice(0, -1).join(' ');
    const permissions = slug === undefined ? undefined : scope.split(' ');
    expect(said).toEqual({ scope, permissions, org: slug, roles: undefined });
    if (api !== 'orders' || slug === undefined) return;
    const { id, name } = slug === 'acme' ? acme : beta;
    expect(decodeJwt(answer.access_token)).toMatchObject({ org_id: id, org_name: name });
  });

  test.each<[Kind, Api]>([
    ['robot', 'plain'],
    ['stray', 'tenant'],
  ])('%s gets none for %s', async (by, api) => {
    expect((await token(by, api)).error).toBe('invalid_target');
  });

  test('may name its own organization by slug or id, and no other', async () => {
    for (const organization of ['acme', acme.id]) {
      const answer = await token('robot', 'orders', { organization });
      expect(decodeJwt(answer.access_token).org_id).toBe(acme.id);
    }
    for (const [by, organization] of [
      ['robot', 'beta'],
      ['robot', beta.id],
      ['robot', 'nowhere'],
      ['stray', 'acme'],
      ['foreign', acme.id],
    ] as const) {
      expect(await token(by, 'orders', { organization })).toMatchObject({
        error: 'invalid_request',
      });
    }
  });
});
