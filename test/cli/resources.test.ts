import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assignApi, createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { postAs } from '../support/authorization.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

const API = 'https://api.example.com';

let app: TestApp;
let on: ReturnType<typeof plintoOn>;

beforeAll(async () => {
  app = await startApp();
  on = plintoOn(app.database, { ISSUER: app.issuer });
});
afterAll(() => app.stop());

test('an API is registered and assigned, and the client gets tokens for it', async () => {
  const { client, secret } = await app.createClient({ kind: 'machine', id: 'robot' });
  const created = await jsonOf(
    on([
      ...['resource', 'create', '--indicator', API, '--name', 'Things', '--ttl', '120'],
      ...['--permission', 'read', '--permission', 'write=Change things', '--owner', 'robot'],
      '--json',
    ]),
  );
  expect(created).toEqual({
    id: expect.any(String),
    indicator: API,
    name: 'Things',
    token_format: 'jwt',
    access_token_ttl: 120,
    owner_client_id: 'robot',
    organizations: 'optional',
    permissions: [
      { name: 'read', description: null },
      { name: 'write', description: 'Change things' },
    ],
  });
  const assign = ['resource', 'assign', '--indicator', API, '--client', 'robot'];
  expect(await jsonOf(on([...assign, '--permission', 'read', '--json']))).toEqual({
    indicator: API,
    client_id: 'robot',
    permissions: ['read'],
  });
  const fields = { grant_type: 'client_credentials', resource: API, scope: 'read write' };
  const answer = await postAs(`${app.issuer}/token`, { client, secret }, fields);
  expect(await answer.json()).toMatchObject({ scope: 'read', expires_in: 120 });

  expect((await on(assign)).stdout).toBe(`robot may ask ${API} for: read write\n`);
  const shown = await jsonOf(on(['client', 'show', 'robot', '--json']));
  expect(shown.resources).toEqual([{ indicator: API, permissions: ['read', 'write'] }]);

  const unassign = ['resource', 'unassign', '--indicator', API, '--client', 'robot'];
  const taken = await on([...unassign, '--permission', 'write']);
  expect(taken.stdout).toBe(`Taken from robot at ${API}: write\n`);
  const less = await postAs(`${app.issuer}/token`, { client, secret }, fields);
  expect(await less.json()).toMatchObject({ scope: 'read' });

  const table = await on(['resource', 'list']);
  expect(table.stdout).toMatch(
    /^INDICATOR +NAME +PERMISSIONS +TOKEN_FORMAT +ACCESS_TOKEN_TTL +ORGANIZATIONS\n/,
  );
  expect(table.stdout).toMatch(
    /^https:\/\/api\.example\.com +Things +read write +jwt +120 +optional$/m,
  );
  const page = await jsonOf(on(['resource', 'list', '--after', API, '--json']));
  expect(page).toEqual({ items: [], next: null });

  expect(await on(['resource', 'delete', '--indicator', API])).toMatchObject({ code: 0 });
  const refused = await postAs(`${app.issuer}/token`, { client, secret }, fields);
  expect(await refused.json()).toMatchObject({ error: 'invalid_target' });
  const { db } = app.runtime.deps;
  const events = await db('audit_events').where({ actor: ACTOR }).orderBy('id').pluck('type');
  expect(events).toEqual([
    'resource.created',
    'resource.assigned',
    'resource.assigned',
    'resource.unassigned',
    'resource.deleted',
  ]);
});

test('an API is changed: its words, its tokens, its permissions, what it does with organizations', async () => {
  const indicator = 'https://changed.example';
  const { client } = await app.createClient({ kind: 'machine' });
  const before = { access_token_ttl: 120, organizations: 'none' } as const;
  await createApi(app, indicator, ['read', 'write'], before);
  await assignApi(app, client, indicator);
  const changed = await on([
    ...['resource', 'update', '--indicator', indicator, '--name', 'New', '--format', 'opaque'],
    ...['--no-ttl', '--organizations', 'required', '--permission', 'read=Read things'],
    ...['--permission', 'share', '--remove-permission', 'write', '--owner', client.id],
  ]);
  expect(changed).toMatchObject({ code: 0, stderr: '' });
  expect(changed.stdout).toMatch(/^Changed the API New\.\n/);
  const show = ['resource', 'show', '--indicator', indicator, '--json'];
  expect(await jsonOf(on(show))).toMatchObject({
    ...{ name: 'New', token_format: 'opaque', access_token_ttl: null, organizations: 'required' },
    owner_client_id: client.id,
    permissions: [
      { name: 'read', description: 'Read things' },
      { name: 'share', description: null },
    ],
  });
  const { db } = app.runtime.deps;
  const assigned = await db('client_permissions').where({ client_id: client.id });
  expect(assigned.map(({ permission }) => permission)).toEqual(['read']);
  const event = await db('audit_events').where({ type: 'resource.updated' }).first();
  expect(event).toMatchObject({
    actor: ACTOR,
    data: {
      indicator,
      fields: [
        ...['name', 'token_format', 'access_token_ttl', 'organizations', 'owner_client_id'],
        'permissions',
      ],
    },
  });
  await db('resources').where({ indicator }).delete();
});

const create = ['create', '--name', 'x', '--permission', 'any', '--indicator'];

test.each<{ args: string[]; says: string }>([
  { args: [...create, 'things'], says: "things can't be a resource indicator" },
  { args: [...create, `${API}#x`], says: "can't be a resource indicator" },
  { args: [...create, 'https://known'], says: 'there is an API https://known already' },
  { args: [...create, API, '--permission', 'openid'], says: "openid can't be a permission" },
  {
    args: [...create, API, '--permission', 'organizations'],
    says: "organizations can't be a permission",
  },
  { args: [...create, API, '--permission', 'a b'], says: "a b can't be a permission" },
  {
    args: [...create, API, '--permission', 'a', '--permission', 'a=twice'],
    says: "a can't be a permission",
  },
  { args: [...create, API, '--owner', 'nobody'], says: 'there is no client nobody' },
  {
    args: ['assign', '--indicator', API, '--client', 'nobody'],
    says: 'there is no client nobody: `plinto client list`',
  },
  {
    args: ['assign', '--indicator', API, '--client', 'known'],
    says: `there is no API ${API}: \`plinto resource list\``,
  },
  {
    args: ['assign', '--indicator', 'https://known', '--client', 'known', '--permission', 'write'],
    says: 'the API has no permission write: `plinto resource list`',
  },
  { args: ['delete', '--indicator', API], says: `there is no API ${API}` },
  { args: ['update', '--indicator', 'https://known'], says: 'nothing to change' },
  {
    args: ['update', '--indicator', 'https://known', '--owner', 'nobody'],
    says: 'there is no client nobody',
  },
  {
    args: ['update', '--indicator', 'https://known', '--remove-permission', 'write'],
    says: 'the API has no permission write',
  },
])('resource $args is refused: $says', async ({ args, says }) => {
  const { db } = app.runtime.deps;
  if ((await db('resources').first()) === undefined) {
    await app.createClient({ id: 'known' });
    const known = ['--indicator', 'https://known', '--name', 'Known', '--permission', 'read'];
    expect(await on(['resource', 'create', ...known])).toMatchObject({ code: 0 });
  }
  await expectFailure(on(['resource', ...args]), says);
  expect(await db('resources').pluck('indicator')).toEqual(['https://known']);
});

test('a registration token lets a client register itself', async () => {
  const made = await jsonOf<{ token: string; registration_endpoint: string }>(
    on(['registration-token', 'create', '--expires-in', '600', '--json']),
  );
  expect(made).toMatchObject({ expires_in: 600, registration_endpoint: `${app.issuer}/register` });
  const register = (token: string) =>
    fetch(made.registration_endpoint, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: ['https://app.example.com/callback'] }),
    });
  expect((await register(made.token)).status).toBe(201);
  expect((await register(`${made.token}x`)).status).toBe(401);

  const { db } = app.runtime.deps;
  const event = await db('audit_events').where({ type: 'initial_access_token.created' }).first();
  expect(event).toMatchObject({ actor: ACTOR, data: { expiresIn: 600 } });
  const { rows } = await db.raw(
    `SELECT payload::text, extract(epoch FROM expires_at - now()) AS seconds
      FROM oidc_artifacts WHERE model = 'InitialAccessToken'`,
  );
  expect(rows).toHaveLength(1);
  expect(Number(rows[0].seconds)).toBeGreaterThan(0);
  expect(Number(rows[0].seconds)).toBeLessThanOrEqual(600);
  expect(rows[0].payload).not.toContain(made.token);
});

test('a registration token is refused where registration is off', async () => {
  const off = plintoOn(app.database, { ISSUER: app.issuer, DYNAMIC_REGISTRATION: 'off' });
  const says = 'dynamic registration is off: set DYNAMIC_REGISTRATION=token';
  await expectFailure(off(['registration-token', 'create']), says);
});

type Key = { kid: string; slot: string; state: string; used_from: string };

test('keys are listed without private parts; rotation publishes first, or signs at once', async () => {
  const list = async () => (await jsonOf<{ items: Key[] }>(on(['keys', 'list', '--json']))).items;
  const before = await list();
  expect(before.map(({ slot, state }) => `${slot} ${state}`).sort()).toEqual(
    ['ec-enc', 'ec-sig', 'okp-sig', 'rsa-enc', 'rsa-sig'].map((slot) => `${slot} current`),
  );
  expect(Object.keys(before[0] ?? {})).toEqual([
    ...['kid', 'slot', 'state', 'age', 'created_at', 'used_from', 'retired_at'],
  ]);

  const rotation = await on(['keys', 'rotate']);
  const next = (await list()).filter(({ state }) => state === 'next');
  expect(next).toHaveLength(5);
  const times = next.map(({ used_from }) => Date.parse(used_from));
  const soonest = Math.min(...times);
  expect(soonest).toBeGreaterThan(Date.now() + 3500_000);
  expect(rotation.stdout).toContain(new Date(Math.max(...times)).toISOString());

  const now = await jsonOf<{ items: Key[] }>(on(['keys', 'rotate', '--now', '--json']));
  expect(now.items.map(({ kid }) => kid).sort()).toEqual(next.map(({ kid }) => kid).sort());
  expect(now.items.every(({ state }) => state === 'current')).toBe(true);
  const table = await on(['keys', 'list']);
  expect(table.stdout).toMatch(/^KID +SLOT +STATE +AGE +SINCE\n/);
  expect(table.stdout).toMatch(/ previous .* only verifies since /);

  const signing = now.items.find(({ slot }) => slot === 'ec-sig')?.kid;
  await expect.poll(() => firstSigningKid(), { timeout: 10_000 }).toBe(signing);
  const { client, secret } = await app.createClient({ kind: 'machine' });
  await on(['resource', 'create', '--indicator', API, '--name', 'x', '--permission', 'read']);
  await on(['resource', 'assign', '--indicator', API, '--client', client.id]);
  const fields = { grant_type: 'client_credentials', resource: API };
  const answer = await postAs(`${app.issuer}/token`, { client, secret }, fields);
  const { access_token } = (await answer.json()) as { access_token: string };
  const keys = createRemoteJWKSet(new URL(`${app.issuer}/jwks`));
  const { protectedHeader } = await jwtVerify(access_token, keys);
  expect(protectedHeader.kid).toBe(signing);

  const replaced = before.find(({ slot }) => slot === 'ec-sig')?.kid ?? '';
  const published = async () => {
    const { keys: all } = (await (await fetch(`${app.issuer}/jwks`)).json()) as { keys: Key[] };
    return all.map(({ kid }) => kid);
  };
  expect(await published()).toContain(replaced);
  expect(await on(['keys', 'delete', replaced])).toMatchObject({ code: 0 });
  await expect.poll(published).not.toContain(replaced);
  const inUse = await on(['keys', 'delete', String(signing)]);
  expect(inUse).toMatchObject({ code: 1, stderr: expect.stringContaining('is in use') });
  for (const none of ['nope', '-nope']) {
    const { stderr } = await on(['keys', 'delete', none, '--json']);
    expect(stderr).toContain(`there is no key ${none}`);
  }

  const { db } = app.runtime.deps;
  const events = await db('audit_events')
    .where({ actor: ACTOR })
    .where('type', 'like', 'signing_key.%')
    .groupBy('type')
    .select('type')
    .count();
  expect(events).toEqual(
    expect.arrayContaining([
      { type: 'signing_key.created', count: '5' },
      { type: 'signing_key.activated', count: '5' },
      { type: 'signing_key.deleted', count: '1' },
    ]),
  );
});

async function firstSigningKid(): Promise<string | undefined> {
  const response = await fetch(`${app.issuer}/jwks`);
  const { keys } = (await response.json()) as {
    keys: { kid: string; crv?: string; use: string }[];
  };
  return keys.find(({ use, crv }) => use === 'sig' && crv === 'P-256')?.kid;
}
