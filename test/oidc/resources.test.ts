import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';
import { createVisitor } from '../support/visitor.ts';

const ORDERS = 'https://api.example.com/orders';
const STOCK = 'urn:example:stock';
const CLOSED = 'https://api.example.com/closed';

/** How long a change may take to be heard of: generous, for busy machines. */
const HEARD = { timeout: 20_000 };

let app: TestApp;
let party: RelyingParty;
let sub: string;

beforeAll(async () => {
  app = await startApp();
  sub = (await app.createUser()).id;
  party = await createRelyingParty(app);
  await createApi(app, ORDERS, ['orders:read', 'orders:write', 'orders:delete']);
  await createApi(app, STOCK, ['stock:read'], { access_token_ttl: 90 });
  await createApi(app, CLOSED, ['closed:read']);
  await assignApi(app, party.client, ORDERS, ['orders:read', 'orders:write']);
  await assignApi(app, party.client, STOCK);
});
afterAll(() => app.stop());

const verify = (token: string, audience: string) => verifyAccessToken(app.issuer, token, audience);

describe('an access token for an API (RFC 8707, RFC 9068)', () => {
  test('is a JWT for that API, about the person, for this client', async () => {
    const tokens = await party.signIn({ scope: 'orders:read', resource: ORDERS });
    const { payload, protectedHeader } = await verify(tokens.access_token, ORDERS);
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: app.issuer,
      aud: ORDERS,
      sub,
      client_id: party.client.id,
      scope: 'orders:read',
      acr: 'urn:plinto:acr:1fa',
      amr: ['pwd'],
      auth_time: expect.any(Number),
      iat: expect.any(Number),
      exp: Number(payload.iat) + app.config.ttl.accessToken,
      jti: expect.any(String),
    });
    expect(tokens.expires_in).toBe(app.config.ttl.accessToken);
  });

  test('lives as long as the API says', async () => {
    const tokens = await party.signIn({ scope: 'stock:read', resource: STOCK });
    const { payload } = await verify(tokens.access_token, STOCK);
    expect(Number(payload.exp) - Number(payload.iat)).toBe(90);
    expect(tokens.expires_in).toBe(90);
  });

  test('carries no scope that the client was not assigned, nor one of another API', async () => {
    const tokens = await party.signIn({
      scope: 'orders:read orders:delete stock:read closed:read invented',
      resource: ORDERS,
    });
    const { payload } = await verify(tokens.access_token, ORDERS);
    expect(payload.scope).toBe('orders:read');
    expect(tokens.scope).toBe('orders:read');
  });

  test('is not good for userinfo, nor for another API', async () => {
    const tokens = await party.signIn({ scope: 'orders:read', resource: ORDERS });
    const userinfo = oidc.fetchUserInfo(party.config, tokens.access_token, sub);
    expect(await errorOf(userinfo)).toBe('invalid_token');
    await expect(verify(tokens.access_token, STOCK)).rejects.toThrow(/aud/);
  });
});

test('with openid: first a token for userinfo, then tokens for each API by refreshing', async () => {
  const tokens = await party.signIn({
    scope: 'openid email offline_access orders:write stock:read',
    resource: [ORDERS, STOCK],
  });
  const userinfo = await oidc.fetchUserInfo(party.config, tokens.access_token, sub);
  expect(userinfo.email).toBe('ada@example.com');
  const orders = await oidc.refreshTokenGrant(party.config, String(tokens.refresh_token), {
    resource: ORDERS,
  });
  expect((await verify(orders.access_token, ORDERS)).payload.scope).toBe('orders:write');
  const stock = await oidc.refreshTokenGrant(party.config, String(orders.refresh_token), {
    resource: STOCK,
  });
  expect((await verify(stock.access_token, STOCK)).payload.scope).toBe('stock:read');
  const closed = oidc.refreshTokenGrant(party.config, String(stock.refresh_token), {
    resource: CLOSED,
  });
  expect(await errorOf(closed)).toBe('invalid_target');
});

describe('several APIs', () => {
  const both = { scope: 'orders:read stock:read', resource: [ORDERS, STOCK] };

  const redeem = async (parameters: Record<string, string>) => {
    const request = await party.authorize(both);
    const back = await createVisitor().signIn(request.url, CALLBACK);
    return request.redeem(back.url, parameters);
  };

  test('can be asked for together, and a token is for the one named then', async () => {
    const tokens = await redeem({ resource: STOCK });
    expect((await verify(tokens.access_token, STOCK)).payload.scope).toBe('stock:read');
  });

  test.each([
    ['none is named', {}],
    ['another is named', { resource: CLOSED }],
    ['an unknown one is named', { resource: 'https://nowhere.example/' }],
  ])('are not in one token: when %s the request is refused', async (_, parameters) => {
    expect(await errorOf(redeem(parameters as Record<string, string>))).toBe('invalid_target');
  });
});

test.each([
  ['unknown', 'https://unknown.example/'],
  ['no URI', 'orders'],
  ['with a fragment', `${ORDERS}#x`],
  ['with a slash more', `${ORDERS}/`],
  ['of which the client was assigned nothing', CLOSED],
])('a resource that is %s is refused', async (_, resource) => {
  expect(await errorOf(party.signIn({ scope: 'openid', resource }))).toBe('invalid_target');
});

test('a permission taken away is not in the next token', async () => {
  const other = await createRelyingParty(app);
  await assignApi(app, other.client, ORDERS, ['orders:read', 'orders:write']);
  const tokens = await other.signIn({
    scope: 'openid offline_access orders:read orders:write',
    resource: ORDERS,
  });
  const { db } = app.runtime.deps;
  await db('client_permissions')
    .where({ client_id: other.client.id, permission: 'orders:write' })
    .delete();
  // The change reaches the server's memory by notification; until then it may still be granted.
  let { refresh_token } = tokens;
  await expect
    .poll(async () => {
      const next = await oidc.refreshTokenGrant(other.config, String(refresh_token), {
        resource: ORDERS,
      });
      refresh_token = next.refresh_token;
      return (await verify(next.access_token, ORDERS)).payload.scope;
    }, HEARD)
    .toBe('orders:read');
});
