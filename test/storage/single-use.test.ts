import { randomUUID } from 'node:crypto';
import type { AdapterPayload } from 'oidc-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { createRowHandles } from '../../src/oidc/storage/row-handle.ts';
import { HOUR, openStorage, payloadOf, type Storage } from './storage.ts';

const CONSUMED_ONCE = [
  'AuthorizationCode',
  'BackchannelAuthenticationRequest',
  'DeviceCode',
  'PushedAuthorizationRequest',
];

let storage: Storage;
let { db, adapter, store, newGrant } = {} as Storage;

beforeAll(async () => {
  storage = await openStorage();
  ({ db, adapter, store, newGrant } = storage);
});
afterAll(() => storage.close());

test.each(CONSUMED_ONCE)('%s: of 20 that consume it at once, one does', async (model) => {
  const id = await store(model);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => adapter(model).consume(id)),
  );
  const refused = outcomes.filter((o) => o.status === 'rejected');
  expect(refused).toHaveLength(19);
  const name = model === 'PushedAuthorizationRequest' ? 'InvalidRequestUri' : 'InvalidGrant';
  for (const { reason } of refused) expect(reason).toMatchObject({ name, statusCode: 400 });
  expect(await adapter(model).find(id)).toMatchObject({ consumed: expect.any(Number) });
});

test.each([
  [0, 19, 0],
  [10, 0, 19],
])(
  'RefreshToken: of 20 that consume it at once with a leeway of %i s, %i are refused and %i told of',
  async (leeway, refused, told) => {
    const id = await store('RefreshToken');
    storage.leewayUses.length = 0;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => adapter('RefreshToken', leeway).consume(id)),
    );
    expect(outcomes.filter((o) => o.status === 'rejected')).toHaveLength(refused);
    expect(storage.leewayUses).toHaveLength(told);
  },
);

test('RefreshToken: looks unused within the leeway, used after it', async () => {
  const id = await store('RefreshToken');
  await adapter('RefreshToken', 10).consume(id);
  expect(await adapter('RefreshToken', 10).find(id)).not.toHaveProperty('consumed');
  expect(await adapter('RefreshToken', 0).find(id)).toHaveProperty('consumed');
  await db('oidc_refresh_tokens')
    .where({ id: hashToken(id) })
    .update({ consumed_at: db.raw(`now() - interval '11 seconds'`) });
  expect(await adapter('RefreshToken', 10).find(id)).toHaveProperty('consumed');
  await expect(adapter('RefreshToken', 10).consume(id)).rejects.toMatchObject({
    name: 'InvalidGrant',
  });
});

test('ReplayDetection: of 20 that present one JWT at once, one is fresh; again when it expired', async () => {
  const id = randomUUID();
  const present = () => adapter('ReplayDetection').upsert(id, payloadOf('ReplayDetection'), HOUR);
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, present));
  expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
  await expect(present()).rejects.toMatchObject({ name: 'InvalidRequest' });
  await db('oidc_artifacts')
    .where({ id: hashToken(id) })
    .update({ expires_at: db.raw(`now() - interval '1 second'`) });
  await present();
});

test('Grant: once ended it stays so, also for a request that found it before', async () => {
  const id = await newGrant();
  const found = (await adapter('Grant').find(id)) as AdapterPayload;
  await adapter('Grant').destroy(id);
  await adapter('Grant').upsert(id, found, HOUR);
  expect(await adapter('Grant').find(id)).toBeUndefined();
  // A token that is being issued from it can still be stored: it is worth nothing without the grant.
  await store('RefreshToken', { grantId: id });
});

test.each(['DeviceCode', 'Session', 'RefreshToken', 'AccessToken', 'Interaction'])(
  '%s: a row read from a dump can not be presented, in any dress',
  async (model) => {
    const id = await store(model);
    const hash = hashToken(id);
    const encoded = hash.toString('base64url');
    const otherKeys = deriveKeyring(['another secret that is long enough to be one']).rowHandles;
    const values = [
      encoded,
      hash.toString('hex'),
      `\\x${hash.toString('hex')}`,
      hash.toString('base64'),
      hash.toString('latin1'),
      `row.${encoded}`,
      `row.${encoded}.`,
      `row.${encoded}.${encoded}`,
      createRowHandles(otherKeys).handleOf(hash),
    ];
    for (const value of values) expect(await adapter(model).find(value), value).toBeUndefined();
    expect(await adapter(model).find(id)).toBeDefined();
  },
);

test('Interaction: what it holds is readable with its uid only, and is marked, not deleted', async () => {
  const id = await store('Interaction', { session: { cookie: 'the-cookie-of-a-session' } });
  const row = await db('oidc_artifacts')
    .where({ id: hashToken(id) })
    .first();
  expect(JSON.stringify(row)).not.toContain('the-cookie-of-a-session');
  expect(Object.keys(row.payload)).toEqual(['sealed']);
  await adapter('Interaction').destroy(id);
  expect(
    await db('oidc_artifacts')
      .where({ id: hashToken(id) })
      .first(),
  ).toBeDefined();
});
