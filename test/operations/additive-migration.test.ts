import { afterAll, beforeAll, expect, test } from 'vitest';
import { assignApi, createApi } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs, redeem } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';

const API = 'https://api.example.com';

let app: TestApp;
let web: Credentials;
let machine: Credentials;

beforeAll(async () => {
  // Few connections, so that each has every statement prepared.
  app = await startApp({ DATABASE_POOL_SIZE: '2' });
  await app.createUser();
  web = await app.createClient();
  const created = await app.createClient({ kind: 'machine' });
  await createApi(app, API, ['read']);
  await assignApi(app, created.client, API);
  machine = created;
});
afterAll(() => app.stop());

/** A bit of everything, on statements that were prepared before. */
async function useEverything(): Promise<number[]> {
  const url = authorizationUrl(app, web.client.id, { scope: 'openid profile offline_access' });
  const back = await createVisitor().signIn(url, CALLBACK);
  const redeemed = await redeem(app, web, String(new URL(back.url).searchParams.get('code')));
  const tokens = (await redeemed.json()) as Record<string, string>;
  const authorization = `Bearer ${tokens.access_token}`;
  const answers = await Promise.all([
    fetch(`${app.issuer}/userinfo`, { headers: { authorization } }),
    postAs(`${app.issuer}/introspect`, web, { token: String(tokens.access_token) }),
    postAs(`${app.issuer}/token`, web, {
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
    }),
    postAs(`${app.issuer}/token`, machine, {
      grant_type: 'client_credentials',
      resource: API,
      scope: 'read',
    }),
  ]);
  return [redeemed.status, ...answers.map(({ status }) => status)];
}

test('a server of this release goes on while the next one adds a column to every table', async () => {
  const fine = Array(5).fill(200);
  expect(await useEverything()).toEqual(fine);
  const { db } = app.runtime.deps;
  const { rows } = await db.raw(`SELECT format('%I', tablename) AS name FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_migrations%'`);
  for (const { name } of rows)
    await db.raw(`ALTER TABLE ${name} ADD COLUMN of_the_next_release text`);
  // Clients are kept in memory; the change that is heard of makes this server look again.
  await db('clients').update({ updated_at: db.fn.now() });
  for (let round = 0; round < 5; round += 1) expect(await useEverything()).toEqual(fine);
});
