import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';

const OFFLINE = { scope: 'openid offline_access' };

let app: TestApp;
let party: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  party = await createRelyingParty(app);
});
afterAll(() => app.stop());

const isActive = async (token: string | undefined): Promise<boolean> =>
  (await oidc.tokenIntrospection(party.config, String(token))).active;

test('an access token ends when it is revoked', async () => {
  const { access_token } = await party.signIn();
  await oidc.tokenRevocation(party.config, access_token);
  expect(await isActive(access_token)).toBe(false);
});

test('revoking a refresh token ends every token of its family', async () => {
  const first = await party.signIn(OFFLINE);
  const second = await oidc.refreshTokenGrant(party.config, String(first.refresh_token));
  await oidc.tokenRevocation(party.config, String(second.refresh_token));
  for (const token of [first.access_token, second.access_token, second.refresh_token]) {
    expect(await isActive(token)).toBe(false);
  }
  const refresh = oidc.refreshTokenGrant(party.config, String(second.refresh_token));
  expect(await errorOf(refresh)).toBe('invalid_grant');
});

test.each(['access_token', 'refresh_token', 'nonsense'])(
  'a wrong hint costs nothing: %s',
  async (token_type_hint) => {
    const { refresh_token } = await party.signIn(OFFLINE);
    await oidc.tokenRevocation(party.config, String(refresh_token), { token_type_hint });
    expect(await isActive(refresh_token)).toBe(false);
  },
);

test('a client can not revoke the token of another', async () => {
  const stranger = await createRelyingParty(app);
  const spa = await createRelyingParty(app, { kind: 'spa' });
  const tokens = await party.signIn(OFFLINE);
  for (const token of [tokens.access_token, String(tokens.refresh_token)]) {
    expect(await errorOf(oidc.tokenRevocation(stranger.config, token))).toBe('invalid_request');
    await oidc.tokenRevocation(spa.config, token);
    expect(await isActive(token)).toBe(true);
  }
});

test('a public client revokes its own token', async () => {
  const spa = await createRelyingParty(app, { kind: 'spa' });
  const { refresh_token } = await spa.signIn(OFFLINE);
  await oidc.tokenRevocation(spa.config, String(refresh_token));
  const refresh = oidc.refreshTokenGrant(spa.config, String(refresh_token));
  expect(await errorOf(refresh)).toBe('invalid_grant');
});

test('revoking what is no token, or no more, is no error (RFC 7009 §2.2)', async () => {
  const { access_token } = await party.signIn();
  for (const token of ['nothing', access_token, access_token]) {
    await expect(oidc.tokenRevocation(party.config, token)).resolves.toBeUndefined();
  }
});

test('revocation needs a client that authenticates', async () => {
  const { access_token } = await party.signIn();
  const wrong = await fetch(`${app.issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${party.client.id}:wrong`)}` },
    body: new URLSearchParams({ token: access_token }),
  });
  expect(wrong.status).toBe(401);
  expect(await isActive(access_token)).toBe(true);
});

test('a JWT is refused with a word: it ends by itself', async () => {
  const { id_token } = await party.signIn();
  expect(await errorOf(oidc.tokenRevocation(party.config, String(id_token)))).toBe(
    'unsupported_token_type',
  );
});
