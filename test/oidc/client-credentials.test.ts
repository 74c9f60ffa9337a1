import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { rotateClientSecret } from '../../src/clients/manage-clients.ts';
import { transaction } from '../../src/db/pool.ts';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  discover,
  errorOf,
  type RelyingParty,
} from '../support/relying-party.ts';

const ORDERS = 'https://api.example.com/orders';
const STOCK = 'https://api.example.com/stock';

/** How long a change may take to be heard of: generous, for busy machines. */
const HEARD = { timeout: 20_000 };

let app: TestApp;
let machine: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  machine = await createRelyingParty(app, { kind: 'machine', name: 'Nightly job' });
  await createApi(app, ORDERS, ['orders:read', 'orders:write']);
  await createApi(app, STOCK, ['stock:read']);
  await assignApi(app, machine.client, ORDERS, ['orders:read']);
});
afterAll(() => app.stop());

const ask = (parameters: Record<string, string>, config = machine.config) =>
  oidc.clientCredentialsGrant(config, parameters);

test('a machine gets a JWT for an API, about itself', async () => {
  const tokens = await ask({ resource: ORDERS, scope: 'orders:read' });
  const { payload } = await verifyAccessToken(app.issuer, tokens.access_token, ORDERS);
  expect(payload).toMatchObject({
    sub: machine.client.id,
    client_id: machine.client.id,
    scope: 'orders:read',
  });
  expect(tokens).not.toHaveProperty('refresh_token');
  expect(tokens).not.toHaveProperty('id_token');
});

test('a machine gets the scopes it was assigned and no others', async () => {
  const tokens = await ask({ resource: ORDERS, scope: 'orders:read orders:write stock:read x' });
  expect(tokens.scope).toBe('orders:read');
  const { payload } = await verifyAccessToken(app.issuer, tokens.access_token, ORDERS);
  expect(payload.scope).toBe('orders:read');
});

test.each([
  ['of which it was assigned nothing', STOCK],
  ['that nobody registered', 'https://unknown.example/'],
])('a machine gets no token for an API %s', async (_, resource) => {
  expect(await errorOf(ask({ resource }))).toBe('invalid_target');
});

test('a machine gets one API a token', async () => {
  await assignApi(app, machine.client, STOCK);
  const parameters = new URLSearchParams([
    ['resource', ORDERS],
    ['resource', STOCK],
  ]);
  const both = oidc.clientCredentialsGrant(machine.config, parameters);
  expect(await errorOf(both)).toBe('invalid_target');
});

test('a machine without an API gets nothing that is a person’s', async () => {
  const tokens = await ask({ scope: 'openid email' });
  const userinfo = await fetch(`${app.issuer}/userinfo`, {
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  expect(userinfo.status).toBe(401);
  expect((await oidc.tokenIntrospection(machine.config, tokens.access_token)).sub).toBeUndefined();
});

test('an application that is not a machine is refused the grant', async () => {
  const web = await createRelyingParty(app);
  expect(await errorOf(ask({ resource: ORDERS }, web.config))).toBe('invalid_request');
});

describe('client secrets', () => {
  const secretConfig = (id: string, method: (secret: string) => oidc.ClientAuth, secret: string) =>
    discover(app.issuer, id, undefined, method(secret));

  test.each([
    ['client_secret_basic', oidc.ClientSecretBasic],
    ['client_secret_post', oidc.ClientSecretPost],
  ])('are taken by %s, wrong ones refused', async (_, method) => {
    const right = await secretConfig(machine.client.id, method, String(machine.secret));
    await expect(ask({ resource: ORDERS }, right)).resolves.toBeDefined();
    for (const wrong of ['wrong', `${machine.secret}x`, String(machine.secret).slice(1), '%00']) {
      const config = await secretConfig(machine.client.id, method, wrong);
      expect(await errorOf(ask({ resource: ORDERS }, config))).toBe('invalid_client');
    }
  });

  test('what the database holds of them is no secret', async () => {
    const rows = await app.runtime.deps
      .db('client_secrets')
      .where({ client_id: machine.client.id });
    for (const { hash } of rows) {
      const config = await secretConfig(machine.client.id, oidc.ClientSecretPost, hash);
      expect(await errorOf(ask({ resource: ORDERS }, config))).toBe('invalid_client');
    }
    expect(rows).toHaveLength(1);
  });

  test('two are valid while one replaces the other, and the older ends', async () => {
    const rotating = await createRelyingParty(app, { kind: 'machine' });
    await assignApi(app, rotating.client, ORDERS);
    const tools = {
      validate: async () => {},
      secretKeys: app.runtime.keyring.clientSecrets,
      randomBytes: app.runtime.deps.randomBytes,
    };
    const rotate = (overlap: number) =>
      transaction(app.runtime.deps.db, (trx) =>
        rotateClientSecret(trx, tools, SYSTEM, rotating.client, overlap),
      );
    const works = async (secret: string): Promise<boolean> => {
      const config = await secretConfig(rotating.client.id, oidc.ClientSecretPost, secret);
      return ask({ resource: ORDERS }, config).then(
        () => true,
        () => false,
      );
    };
    const first = String(rotating.secret);
    const { secret: second } = await rotate(3600);
    await expect.poll(() => works(second), HEARD).toBe(true);
    expect(await works(first)).toBe(true);
    const { secret: third } = await rotate(3600);
    await expect.poll(() => works(third), HEARD).toBe(true);
    expect(await works(second)).toBe(true);
    expect(await works(first)).toBe(false);
    await rotate(0);
    await expect.poll(() => works(third), HEARD).toBe(false);
    expect(await works(second)).toBe(false);
  });
});
