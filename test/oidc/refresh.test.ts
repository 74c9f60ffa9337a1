import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';

const OFFLINE = { scope: 'openid profile email offline_access' };

let app: TestApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp({
    REFRESH_REUSE_LEEWAY: '0',
    REFRESH_TOKEN_TTL: '7200',
    REFRESH_TOKEN_IDLE: '3600',
  });
  await app.createUser();
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

const refresh = (token: unknown, parameters?: Record<string, string>) =>
  oidc.refreshTokenGrant(party.config, String(token), parameters);

/** Makes the newest refresh token as old as if it had been rotated for so many seconds. */
async function age(seconds: number): Promise<void> {
  await app.runtime.deps.db.raw(
    `UPDATE oidc_refresh_tokens SET payload =
       jsonb_set(payload::jsonb, '{iiat}', to_jsonb((payload->>'iiat')::int - ?::int))::json
     WHERE consumed_at IS NULL`,
    [seconds],
  );
}

async function lifetimes(): Promise<number[]> {
  const { rows } = await app.runtime.deps.db.raw(
    `SELECT round(extract(epoch FROM expires_at - now()))::int AS seconds
     FROM oidc_refresh_tokens WHERE consumed_at IS NULL`,
  );
  return rows.map((row: { seconds: number }) => row.seconds);
}

test('no refresh token without offline_access', async () => {
  const tokens = await party.signIn({ scope: 'openid' });
  expect(tokens.refresh_token).toBeUndefined();
});

test('each refresh gives a new refresh token and the same person', async () => {
  const first = await party.signIn(OFFLINE);
  const second = await refresh(first.refresh_token);
  const third = await refresh(second.refresh_token);
  expect(new Set([first, second, third].map((t) => t.refresh_token)).size).toBe(3);
  expect(third.claims()).toMatchObject({
    sub: first.claims()?.sub,
    auth_time: first.claims()?.auth_time,
    nonce: first.claims()?.nonce,
    acr: first.claims()?.acr,
  });
  expect(third.scope?.split(' ').sort()).toEqual(OFFLINE.scope.split(' ').sort());
  expect(await oidc.tokenIntrospection(party.config, third.access_token)).toMatchObject({
    active: true,
  });
});

test('a refresh token used twice ends its whole family', async () => {
  const first = await party.signIn(OFFLINE);
  const second = await refresh(first.refresh_token);
  expect(await errorOf(refresh(first.refresh_token))).toBe('invalid_grant');
  expect(await errorOf(refresh(second.refresh_token))).toBe('invalid_grant');
  const { active } = await oidc.tokenIntrospection(party.config, second.access_token);
  expect(active).toBe(false);
});

test('scopes can be narrowed for an access token, never widened', async () => {
  const first = await party.signIn(OFFLINE);
  const narrow = await refresh(first.refresh_token, { scope: 'openid email' });
  expect(narrow.scope?.split(' ').sort()).toEqual(['email', 'openid']);
  const wide = refresh(narrow.refresh_token, { scope: 'openid address' });
  expect(await errorOf(wide)).toBe('invalid_scope');
  const whole = await refresh(narrow.refresh_token);
  expect(whole.scope?.split(' ').sort()).toEqual(OFFLINE.scope.split(' ').sort());
});

test('a refresh token is bound to its client', async () => {
  const other = await createRelyingParty(app);
  const { refresh_token } = await party.signIn(OFFLINE);
  const stolen = oidc.refreshTokenGrant(other.config, String(refresh_token));
  expect(await errorOf(stolen)).toBe('invalid_grant');
});

test('use moves the idle limit, never the absolute one', async () => {
  const fresh = await createRelyingParty(app);
  await app.runtime.deps.db('oidc_refresh_tokens').delete();
  const first = await fresh.signIn(OFFLINE);
  const [idle] = await lifetimes();
  expect(idle).toBeGreaterThan(3500);
  expect(idle).toBeLessThanOrEqual(3600);
  await age(5000);
  const second = await oidc.refreshTokenGrant(fresh.config, String(first.refresh_token));
  const [left] = await lifetimes();
  expect(left).toBeGreaterThan(2100);
  expect(left).toBeLessThanOrEqual(2200);
  expect(second.refresh_token).toBeTypeOf('string');
});

test('an expired refresh token is refused', async () => {
  const { refresh_token } = await party.signIn(OFFLINE);
  await app.runtime.deps.db.raw(
    `UPDATE oidc_refresh_tokens SET payload =
       jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch FROM now())::int - 1))::json`,
  );
  expect(await errorOf(refresh(refresh_token))).toBe('invalid_grant');
});

test('a client without the refresh_token grant gets none, whatever it asks for', async () => {
  const plain = await createRelyingParty(app, {
    metadata: { grant_types: ['authorization_code'] },
  });
  const tokens = await plain.signIn(OFFLINE);
  expect(tokens.refresh_token).toBeUndefined();
});

test('offline_access is not granted to a client whose scope leaves it out', async () => {
  const plain = await createRelyingParty(app, { scope: 'openid email' });
  expect(await errorOf(plain.signIn({ scope: 'openid offline_access' }))).toBe('invalid_scope');
});
