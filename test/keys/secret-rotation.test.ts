import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { isStale } from '../../src/crypto/secret-box.ts';
import { listKeys } from '../../src/oidc/keys/store.ts';
import { CALLBACK, freePort, SECRET, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../support/authorization.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';
import { createVisitor, pageName, type Visitor } from '../support/visitor.ts';

const NEW = 'test-only-9d2f4b7a1c6e40358f9b0d7c5a3e8f21';

let database: TestDatabase;
let app: TestApp;
let visitor: Visitor;
let kids: string[];
let used: Credentials;
let unused: Credentials;
let tokens: Record<string, string>;

/** Stops the server and starts it again with these secrets, as the same installation. */
let restart: (secrets: string) => Promise<void>;

beforeAll(async () => {
  database = await createDatabase();
  const PORT = String(await freePort());
  const fixed = { PORT, ISSUER: `http://localhost:${PORT}` };
  restart = async (secrets) => {
    await app?.stop();
    const kept = { ...database, drop: async () => {} };
    app = await startApp({ ...fixed, PLINTO_SECRET: secrets }, kept);
  };
  await restart(SECRET);
  await app.createUser();
  used = await app.createClient();
  unused = await app.createClient();
  visitor = createVisitor();
  const scope = 'openid offline_access';
  const back = await visitor.signIn(authorizationUrl(app, used.client.id, { scope }), CALLBACK);
  tokens = (await (await redeem(app, used, codeOf(back.url))).json()) as Record<string, string>;
  kids = await currentKids();
});
afterAll(async () => {
  await app.stop();
  await database.drop();
});

const codeOf = (url: string) => String(callbackParams(url).code);
const currentKids = async () => (await listKeys(app.runtime.deps.db)).map(({ kid }) => kid);
const staleHashes = async () => {
  const [key] = deriveKeyring([NEW]).clientSecrets;
  const hashes = await app.runtime.deps.db('client_secrets').pluck('hash');
  return hashes.filter((hash) => !hash.startsWith(`hmac-sha256.${key?.id}.`)).length;
};

/** Whether a secret is still the client's: with a bad code, a good client is told so. */
async function authenticates(credentials: Credentials): Promise<boolean> {
  const body = (await (await redeem(app, credentials, 'no-code')).json()) as { error: string };
  expect(['invalid_client', 'invalid_grant']).toContain(body.error);
  return body.error === 'invalid_grant';
}

test('with "new,old" everything still opens, and is kept under the new secret from then on', async () => {
  await restart(`${NEW},${SECRET}`);
  expect(await currentKids()).toEqual(kids);
  const box = deriveKeyring([NEW]).box;
  for (const row of await listKeys(app.runtime.deps.db)) {
    expect(isStale(box, row.private_jwk)).toBe(false);
  }
  const url = authorizationUrl(app, used.client.id, { prompt: 'none' });
  expect(callbackParams((await visitor.open(url, CALLBACK)).url)).toHaveProperty('code');
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  expect((await fetch(`${app.issuer}/userinfo`, { headers })).status).toBe(200);
  const fields = { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) };
  expect((await postAs(`${app.issuer}/token`, used, fields)).status).toBe(200);
});

test('a client secret that is used is hashed anew; one that is not still needs the old secret', async () => {
  expect(await staleHashes()).toBe(1);
  await Promise.all(Array.from({ length: 5 }, () => authenticates(used)));
  expect(await staleHashes()).toBe(1);
  expect(await authenticates({ ...used, secret: 'a wrong secret' })).toBe(false);
  expect(await authenticates({ ...unused, secret: 'a wrong secret' })).toBe(false);
  expect(await staleHashes()).toBe(1);
});

test('without the old secret what was moved still works: keys, sessions, the secret that was used', async () => {
  await restart(NEW);
  expect(await currentKids()).toEqual(kids);
  expect(await authenticates(used)).toBe(true);
  expect(await authenticates(unused)).toBe(false);
  const url = authorizationUrl(app, used.client.id, { prompt: 'none' });
  expect(callbackParams((await visitor.open(url, CALLBACK)).url)).toHaveProperty('code');
  const stranger = await createVisitor().open(authorizationUrl(app, used.client.id));
  expect(pageName(stranger)).toBe('login');
});

test('a secret that this database was not made with is refused at the start, saying why', async () => {
  await expect(restart('test-only-0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f')).rejects.toThrow(
    /PLINTO_SECRET/,
  );
  await restart(NEW);
});
