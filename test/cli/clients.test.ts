import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newOrganization, newUser } from '../organizations/organizations-app.ts';
import { answerTo } from '../organizations/tokens/tokens-app.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, callbackParams, postAs } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

type Client = {
  id: string;
  metadata: Record<string, unknown>;
  client_secret?: string;
  secrets?: { expires_at: string | null }[];
};

const REDIRECT = 'https://app.example.com/callback';

let app: TestApp;
let on: ReturnType<typeof plintoOn>;

beforeAll(async () => {
  app = await startApp();
  on = plintoOn(app.database, { ISSUER: app.issuer });
});
afterAll(() => app.stop());

/** Status with which the running server answers this client and secret. */
async function statusWith(id: string, secret: string | undefined): Promise<number> {
  const credentials = { client: { id }, secret };
  const fields = { grant_type: 'client_credentials' };
  return (await postAs(`${app.issuer}/token`, credentials, fields)).status;
}

test('a client made beside a running server works at once; its secret is rotated, then it is deleted', async () => {
  const client = await jsonOf<Client>(
    on(['client', 'create', '--name', 'Nightly', '--type', 'machine', '--id', 'nightly', '--json']),
  );
  expect(client).toEqual({
    id: 'nightly',
    name: 'Nightly',
    kind: 'machine',
    first_party: false,
    organization_id: null,
    metadata: expect.objectContaining({ grant_types: ['client_credentials'] }),
    created_at: expect.any(String),
    updated_at: expect.any(String),
    client_secret: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect(await statusWith('nightly', client.client_secret)).toBe(200);

  const rotated = await jsonOf<{ client_secret: string; previous_expires_at: string }>(
    on(['client', 'rotate-secret', 'nightly', '--json']),
  );
  const day = (Date.parse(rotated.previous_expires_at) - Date.now()) / 1000;
  expect(Math.round(day / 3600)).toBe(24);
  expect(await statusWith('nightly', client.client_secret)).toBe(200);
  expect(await statusWith('nightly', rotated.client_secret)).toBe(200);
  const shown = await jsonOf<Client>(on(['client', 'show', 'nightly', '--json']));
  expect(shown.secrets?.map(({ expires_at }) => expires_at)).toEqual([
    null,
    rotated.previous_expires_at,
  ]);

  const last = await on(['client', 'rotate-secret', 'nightly', '--overlap', '0']);
  expect(last.stdout).toContain('Others no longer work.');
  const [, secret] = /^client_secret +(\S+)$/m.exec(last.stdout) ?? [];
  expect(await statusWith('nightly', secret)).toBe(200);
  expect(await statusWith('nightly', client.client_secret)).toBe(401);
  expect(await statusWith('nightly', rotated.client_secret)).toBe(401);

  const people = await on(['client', 'show', 'nightly']);
  for (const known of [client.client_secret, rotated.client_secret, secret]) {
    expect(people.stdout).not.toContain(known);
  }
  expect(await jsonOf(on(['client', 'delete', 'nightly', '--json']))).toEqual({
    id: 'nightly',
    deleted: true,
  });
  expect(await statusWith('nightly', secret)).toBe(401);

  const { db } = app.runtime.deps;
  const events = await db('audit_events').where({ client_id: 'nightly', actor: ACTOR });
  expect(events.map(({ type }) => type)).toEqual([
    'client.created',
    'client.secret_rotated',
    'client.secret_rotated',
    'client.deleted',
  ]);
});

test('an application is created with everything that options say, and changed', async () => {
  const created = await on([
    ...['client', 'create', '--name', 'Shop', '--id', 'shop', '--first-party'],
    ...['--redirect-uri', REDIRECT, '--redirect-uri', `${REDIRECT}2`],
    ...['--post-logout-redirect-uri', 'https://app.example.com/'],
    ...['--backchannel-logout-uri', 'https://app.example.com/logout'],
    ...['--scope', 'openid,email  profile'],
    ...['--client-uri', 'https://app.example.com', '--policy-uri', 'https://app.example.com/p'],
    ...['--initiate-login-uri', 'https://app.example.com/in'],
    ...['--tos-uri', 'https://app.example.com/t', '--metadata', '{"default_max_age":60}'],
  ]);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  expect(created.stdout).toMatch(
    /^client_id +shop\nclient_secret +\S{43}\nThe secret is not shown/m,
  );
  const shown = await jsonOf<Client>(on(['client', 'show', 'shop', '--json']));
  expect(shown).toMatchObject({
    kind: 'web',
    first_party: true,
    metadata: {
      redirect_uris: [REDIRECT, `${REDIRECT}2`],
      post_logout_redirect_uris: ['https://app.example.com/'],
      backchannel_logout_uri: 'https://app.example.com/logout',
      scope: 'openid email profile',
      client_uri: 'https://app.example.com',
      initiate_login_uri: 'https://app.example.com/in',
      policy_uri: 'https://app.example.com/p',
      tos_uri: 'https://app.example.com/t',
      default_max_age: 60,
    },
    secrets: [{ expires_at: null }],
    resources: [],
  });
  expect(JSON.stringify(shown)).not.toContain('hmac');

  const changed = await jsonOf<Client>(
    on([
      ...['client', 'update', 'shop', '--name', 'Bazaar', '--no-first-party', '--json'],
      ...['--redirect-uri', REDIRECT, '--metadata', '{"client_uri":null,"default_max_age":30}'],
    ]),
  );
  expect(changed).toMatchObject({ name: 'Bazaar', first_party: false });
  expect(changed.metadata).toMatchObject({ redirect_uris: [REDIRECT], default_max_age: 30 });
  expect(changed.metadata).not.toHaveProperty('client_uri');
  const { db } = app.runtime.deps;
  const event = await db('audit_events')
    .where({ client_id: 'shop', type: 'client.updated' })
    .first();
  expect(event).toMatchObject({
    actor: ACTOR,
    data: {
      fields: ['client_name', 'first_party', 'redirect_uris', 'client_uri', 'default_max_age'],
    },
  });
});

test('a machine belongs to an organization, and works for as long as that is there', async () => {
  const organization = await newOrganization(app, (await newUser(app)).user.id);
  const { id, slug } = organization;
  const create = ['client', 'create', '--name', 'Robot', '--id', 'robot', '--organization', slug];
  const robot = await jsonOf<Client>(on([...create, '--type', 'machine', '--json']));
  expect(robot).toMatchObject({ kind: 'machine', organization_id: id });
  expect(await statusWith('robot', robot.client_secret)).toBe(200);
  expect((await on(['client', 'show', 'robot'])).stdout).toMatch(
    new RegExp(`^organization +${slug}$`, 'm'),
  );
  const list = ['client', 'list', '--organization', id, '--json'];
  const page = await jsonOf<{ items: Client[] }>(on(list));
  expect(page.items.map((one) => one.id)).toEqual(['robot']);
  const { db } = app.runtime.deps;
  await db('organizations')
    .where({ id })
    .update({ delete_after: db.raw(`now() + interval '1 day'`) });
  await expect.poll(() => statusWith('robot', robot.client_secret)).toBe(401);
  const more = ['client', 'create', '--name', 'x', '--type', 'machine', '--organization', slug];
  await expectFailure(on(more), `the organization ${slug} is being deleted`);
  const event = await db('audit_events').where({ client_id: 'robot' }).first();
  expect(event).toMatchObject({ type: 'client.created', organization_id: id, actor: ACTOR });
  await db('organizations').where({ id }).delete();
  expect(await db('clients').where({ id: 'robot' })).toEqual([]);
});

test('an application has people always choose an organization, until it doesn’t', async () => {
  const args = ['--name', 'Desk', '--id', 'desk', '--first-party', '--redirect-uri', CALLBACK];
  const created = await jsonOf<Client>(
    on(['client', 'create', ...args, '--organization-required', '--json']),
  );
  expect(created.metadata).toMatchObject({ organization_required: true });
  const desk = { client: created, secret: created.client_secret };
  const { user, email } = await newUser(app);
  const { id } = await newOrganization(app, user.id);
  const typed = { identifier: email, password: PASSWORD };
  const url = authorizationUrl(app, 'desk');
  const back = await createVisitor().signIn(url, CALLBACK, typed);
  const answer = await answerTo(app, desk, back);
  // What it may ask unless told otherwise is enough; which others they have is for who asks to know.
  const claims = decodeJwt(String(answer.id_token));
  expect(claims).toMatchObject({ org_id: id, org_roles: ['owner'] });
  expect(claims).not.toHaveProperty('organizations');
  const more = await createVisitor().open(
    authorizationUrl(app, 'desk', { scope: 'openid organizations' }),
    CALLBACK,
  );
  expect(callbackParams(more.url).error).toBe('invalid_scope');
  const without = ['client', 'update', 'desk', '--no-organization-required', '--json'];
  const changed = await jsonOf<Client>(on(without));
  expect(changed.metadata).not.toHaveProperty('organization_required');
});

test('an application has a policy of its own for second factors until it is taken away', async () => {
  const args = ['--name', 'Vault', '--id', 'vault', '--redirect-uri', REDIRECT];
  const created = await jsonOf<Client>(
    on(['client', 'create', ...args, '--mfa', 'required', '--json']),
  );
  expect(created.metadata).toMatchObject({ mfa: 'required' });
  expect((await on(['client', 'show', 'vault'])).stdout).toMatch(/^mfa +required$/m);
  const changed = await jsonOf<Client>(
    on(['client', 'update', 'vault', '--mfa', 'optional', '--json']),
  );
  expect(changed.metadata).toMatchObject({ mfa: 'optional' });
  const without = ['client', 'update', 'vault', '--metadata', '{"mfa":null}', '--json'];
  expect((await jsonOf<Client>(on(without))).metadata).not.toHaveProperty('mfa');
  await expectFailure(
    on(['client', 'update', 'vault', '--mfa', 'sometimes']),
    /off, optional, required/,
    2,
  );
});

test('a public application has no secret until it is asked to have one', async () => {
  const args = ['--name', 'Board', '--id', 'board', '--type', 'spa', '--redirect-uri', REDIRECT];
  const spa = await jsonOf<Client>(on(['client', 'create', ...args, '--json']));
  expect(spa).not.toHaveProperty('client_secret');
  await expectFailure(on(['client', 'rotate-secret', 'board']), 'has no secret to rotate');
  const metadata = '{"token_endpoint_auth_method":"client_secret_basic"}';
  const changed = await on(['client', 'update', 'board', '--metadata', metadata]);
  expect(changed.stdout).toContain('plinto client rotate-secret board');
  const first = await jsonOf(on(['client', 'rotate-secret', 'board', '--json']));
  expect(first).toMatchObject({ id: 'board', previous_expires_at: null });
});

test('clients are listed page by page', async () => {
  for (const id of ['z-1', 'z-2', 'z-3']) await app.createClient({ id });
  const page = await jsonOf<{ items: Client[]; next: string | null }>(
    on(['client', 'list', '--after', 'z', '--limit', '2', '--json']),
  );
  expect(page.items.map(({ id }) => id)).toEqual(['z-1', 'z-2']);
  expect(page.next).toBe('z-2');
  const rest = await on(['client', 'list', '--after', 'z-2']);
  expect(rest.stdout).toMatch(
    /^ID +NAME +KIND +FIRST_PARTY +CREATED_AT\nz-3 +Test App +web +true /,
  );
});

const WEB = ['create', '--name', 'x', '--id', 'x'];

test.each<{ args: string[]; says: string }>([
  { args: ['show', 'nothing'], says: 'there is no client nothing: `plinto client list` shows' },
  { args: ['update', 'nothing', '--name', 'x'], says: 'there is no client nothing' },
  { args: ['rotate-secret', 'nothing'], says: 'there is no client nothing' },
  { args: ['delete', 'nothing'], says: 'there is no client nothing' },
  { args: ['update', 'kept'], says: 'nothing to change' },
  { args: ['create'], says: 'give the client a name with --name' },
  { args: WEB, says: 'say where people come back to with --redirect-uri' },
  { args: [...WEB, '--type', 'machine', '--redirect-uri', REDIRECT], says: 'leave --redirect-uri' },
  { args: ['create', '--name', 'x', '--id', 'kept', '--redirect-uri', REDIRECT], says: 'already' },
  { args: [...WEB, '--redirect-uri', REDIRECT, '--organization', 'x'], says: 'only a machine' },
  {
    args: [...WEB, '--type', 'machine', '--organization', 'x'],
    says: 'there is no organization x',
  },
  { args: [...WEB, '--type', 'machine', '--organization-required'], says: 'its own with' },
  { args: [...WEB, '--redirect-uri', 'javascript:alert(1)'], says: 'redirect_uris must only' },
  { args: [...WEB, '--redirect-uri', `${REDIRECT}#x`], says: 'redirect_uris must not contain' },
  { args: [...WEB, '--redirect-uri', REDIRECT, '--scope', 'openid root'], says: 'scope' },
  {
    args: [...WEB, '--redirect-uri', REDIRECT, '--metadata', '{"redirect_url":"x"}'],
    says: 'redirect_url is no client metadata of this server',
  },
  {
    args: ['update', 'kept', '--metadata', '{"mfa":"sometimes"}'],
    says: 'mfa must be one of off, optional, required',
  },
  {
    args: ['update', 'kept', '--metadata', '{"client_secret":"mine"}'],
    says: "client_secret can't be set through metadata",
  },
  {
    args: ['update', 'kept', '--metadata', '{"redirect_uris":null}'],
    says: 'redirect_uris is mandatory property',
  },
])('client $args is refused: $says', async ({ args, says }) => {
  const { db } = app.runtime.deps;
  if ((await db('clients').where({ id: 'kept' }).first()) === undefined) {
    await app.createClient({ id: 'kept' });
  }
  const before = await db('clients').orderBy('id');
  await expectFailure(on(['client', ...args]), says);
  expect(await db('clients').orderBy('id')).toEqual(before);
});
