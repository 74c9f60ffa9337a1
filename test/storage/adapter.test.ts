import { randomUUID } from 'node:crypto';
import type { AdapterPayload } from 'oidc-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { openPool } from '../../src/db/pool.ts';
import {
  ARTIFACTS,
  adapterOn,
  HOUR,
  MODELS,
  openStorage,
  payloadOf,
  type Storage,
} from './storage.ts';

const OF_A_GRANT = [
  'AccessToken',
  'AuthorizationCode',
  'BackchannelAuthenticationRequest',
  'DeviceCode',
  'RefreshToken',
];

let storage: Storage;
let { db, accountId, adapter, store, newGrant, newUser } = {} as Storage;

beforeAll(async () => {
  storage = await openStorage();
  ({ db, accountId, adapter, store, newGrant, newUser } = storage);
});
afterAll(() => storage.close());

test.each(MODELS)('%s: is found as it was stored, until it is destroyed', async (model) => {
  const other = await store(model);
  const id = await store(model, { extra: { nested: ['ü', 1, null] } });
  expect(await adapter(model).find(id)).toMatchObject({
    jti: id,
    kind: model,
    accountId,
    scope: 'openid',
    extra: { nested: ['ü', 1, null] },
  });
  expect(await adapter(model).find(`${id}x`)).toBeUndefined();
  await adapter(model).destroy(id);
  expect(await adapter(model).find(id)).toBeUndefined();
  expect(await adapter(model).find(other)).toBeDefined();
});

test.each(MODELS.filter((model) => model !== 'ReplayDetection'))(
  '%s: storing again replaces what was stored',
  async (model) => {
    const id = await store(model, { uid: 'first' });
    const grantId = (await adapter(model).find(id))?.grantId;
    const members = { uid: 'second', jti: id, ...(grantId ? { grantId } : {}) };
    await adapter(model).upsert(id, payloadOf(model, members), HOUR);
    expect(await adapter(model).find(id)).toMatchObject({ uid: 'second' });
  },
);

test.each(ARTIFACTS)('%s: is not found as another kind of value', async (model) => {
  const id = await store(model);
  for (const other of MODELS.filter((name) => name !== model && name !== 'Interaction')) {
    expect(await adapter(other).find(id), other).toBeUndefined();
  }
});

test.each(MODELS)('%s: says to the database how long it is kept', async (model) => {
  const table =
    { Grant: 'oidc_grants', Session: 'oidc_sessions', RefreshToken: 'oidc_refresh_tokens' }[
      model
    ] ?? 'oidc_artifacts';
  const id = await store(model);
  const key = model === 'Grant' ? id : hashToken(id);
  const { left } = await db(table)
    .where({ id: key })
    .first(db.raw('extract(epoch FROM expires_at - now())::float8 AS left'));
  const expected = model === 'Interaction' ? 25 * HOUR : HOUR;
  expect(left).toBeGreaterThan(expected - 60);
  expect(left).toBeLessThanOrEqual(expected);
});

test('a grant and a session by its uid end by the clock of the database', async () => {
  const grant = await newGrant();
  const uid = randomUUID();
  const session = await store('Session', { uid });
  expect(await adapter('Session').findByUid(uid)).toMatchObject({ uid });
  await db('oidc_grants').where({ id: grant }).update({ expires_at: db.fn.now() });
  await db('oidc_sessions')
    .where({ id: hashToken(session) })
    .update({ expires_at: db.fn.now() });
  expect(await adapter('Grant').find(grant)).toBeUndefined();
  expect(await adapter('Session').findByUid(uid)).toBeUndefined();
});

test.each(OF_A_GRANT)('%s: ends with its grant, and no other with it', async (model) => {
  const grantId = await newGrant();
  const id = await store(model, { grantId });
  const another = await store(model, { grantId: await newGrant() });
  const sibling = model === 'AccessToken' ? 'AuthorizationCode' : 'AccessToken';
  const ofAnotherKind = await store(sibling, { grantId });
  await adapter(model).revokeByGrantId(grantId);
  expect(await adapter(model).find(id)).toBeUndefined();
  expect(await adapter(model).find(another)).toBeDefined();
  expect(await adapter(sibling).find(ofAnotherKind)).toBeDefined();
});

test('Session: is found by the uid that tokens carry, the longest-lived of several', async () => {
  const uid = randomUUID();
  await store('Session', { uid, acr: 'old' });
  const id = `session-${randomUUID()}`;
  await adapter('Session').upsert(
    id,
    payloadOf('Session', { accountId, uid, acr: 'new' }),
    2 * HOUR,
  );
  expect(await adapter('Session').findByUid(uid)).toMatchObject({ uid, acr: 'new' });
  expect(await adapter('Session').findByUid('another')).toBeUndefined();
});

test('DeviceCode: found by its user code it can be stored again, without its value being known', async () => {
  const userCode = randomUUID().slice(0, 8).toUpperCase();
  const id = await store('DeviceCode', { userCode });
  const found = (await adapter('DeviceCode').findByUserCode(userCode)) as AdapterPayload;
  expect(found).toMatchObject({ userCode });
  expect(found.jti).not.toContain(id);
  await adapter('DeviceCode').upsert(String(found.jti), { ...found, scope: 'approved' }, HOUR);
  expect(await adapter('DeviceCode').find(id)).toMatchObject({ scope: 'approved', jti: id });
  expect(await adapter('DeviceCode').findByUserCode('NO-SUCH')).toBeUndefined();
  expect(await adapter('DeviceCode').findByUserCode('NUL\0')).toBeUndefined();
});

test.each(['Grant', 'Session', 'RefreshToken', 'AccessToken', 'AuthorizationCode', 'DeviceCode'])(
  '%s: of a suspended person is not found, and again when they are back',
  async (model) => {
    const person = await newUser();
    const [uid, userCode] = [randomUUID(), randomUUID()];
    const grantId = await newGrant(person);
    const id =
      model === 'Grant'
        ? grantId
        : await store(model, { accountId: person, grantId, uid, userCode });
    const found = async () => {
      const ways = [adapter(model).find(id)];
      if (model === 'Session') ways.push(adapter(model).findByUid(uid));
      if (model === 'DeviceCode') ways.push(adapter(model).findByUserCode(userCode));
      return (await Promise.all(ways)).map((payload) => payload !== undefined);
    };
    expect(await found()).not.toContain(false);
    await db('users').where({ id: person }).update({ status: 'suspended' });
    expect(await found()).not.toContain(true);
    await db('users').where({ id: person }).update({ status: 'active' });
    expect(await found()).not.toContain(false);
  },
);

test.each<[string, Partial<AdapterPayload>]>([
  ['grant', { grantId: 'a-grant-that-is-gone' }],
  ['person', { accountId: randomUUID() }],
])('a token whose %s is gone by then is refused as invalid_grant', async (_, members) => {
  await expect(store('RefreshToken', members)).rejects.toMatchObject({ name: 'InvalidGrant' });
});

test('deleting a person or a client ends everything that is theirs', async () => {
  const person = await newUser();
  const clientId = `client-${randomUUID()}`;
  const client = { id: clientId, name: 'x', kind: 'web', first_party: false, metadata: {} };
  await db('clients').insert(client);
  const of = async (members: Partial<AdapterPayload>) => {
    const grantId = await newGrant(members.accountId ?? accountId);
    await db('oidc_grants')
      .where({ id: grantId })
      .update({ client_id: members.clientId ?? 'x' });
    return {
      Grant: grantId,
      RefreshToken: await store('RefreshToken', { grantId, ...members }),
      AccessToken: await store('AccessToken', { grantId, ...members }),
    };
  };
  const gone = [await of({ accountId: person }), await of({ clientId })];
  const stays = await of({});
  await db('users').where({ id: person }).delete();
  await db('clients').where({ id: clientId }).delete();
  const find = (ids: Record<string, string>) =>
    Promise.all(Object.entries(ids).map(([model, id]) => adapter(model).find(id)));
  for (const ids of gone) expect(await find(ids)).toEqual([undefined, undefined, undefined]);
  expect(await find(stays)).not.toContain(undefined);
});

test('Client: registers, changes and leaves itself; its secret is kept as a MAC', async () => {
  const clients = adapter('Client');
  const id = `dynamic-${randomUUID()}`;
  const metadata = { client_id: id, client_name: 'Mine', redirect_uris: ['https://rp.example/cb'] };
  await clients.upsert(id, { ...metadata, client_secret: 'the-first-secret' } as AdapterPayload, 0);
  const found = (await clients.find(id)) as AdapterPayload & { client_secret: string };
  expect(found).toMatchObject({ ...metadata, first_party: false });
  expect(found.client_secret).toMatch(/^hmac-sha256\./);

  await clients.upsert(id, { ...found, client_name: 'Yours', first_party: true }, 0);
  expect(await clients.find(id)).toMatchObject({
    client_name: 'Yours',
    client_secret: found.client_secret,
    first_party: false,
  });
  await clients.upsert(id, { ...found, client_secret: 'the-second-secret' } as AdapterPayload, 0);
  const changed = (await clients.find(id)) as { client_secret: string };
  expect(changed.client_secret).not.toContain(found.client_secret);

  await clients.destroy(id);
  expect(await clients.find(id)).toBeUndefined();
  expect(await clients.find('NUL\0')).toBeUndefined();
  const audited = await db('audit_events').where({ client_id: id }).orderBy('id').pluck('type');
  expect(audited).toEqual(['client.created', 'client.updated', 'client.updated', 'client.deleted']);
});

test('with the database away every model says so, as the library can answer it', async () => {
  const url = 'postgres://nobody@127.0.0.1:9/none';
  const away = openPool({ url, size: 2, statementTimeout: 1000, name: 'test' });
  for (const model of [...MODELS, 'Client']) {
    await expect(adapterOn(away)(model).find('any'), model).rejects.toMatchObject({
      statusCode: 503,
      error: 'temporarily_unavailable',
      allow_redirect: false,
    });
  }
  await away.destroy();
});
