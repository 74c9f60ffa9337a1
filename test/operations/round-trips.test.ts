import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { assignApi, createApi } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs, redeem } from '../support/authorization.ts';
import { createVisitor, type Visitor } from '../support/visitor.ts';

const API = 'https://api.example.com';

let app: TestApp;
let party: Credentials;
let robot: Credentials;
let visitor: Visitor;
let counted: string[] = [];

type Query = (this: pg.Client, ...args: unknown[]) => unknown;
const prototype = pg.Client.prototype as unknown as { query: Query };
const original = prototype.query;

beforeAll(async () => {
  app = await startApp();
  const user = await app.createUser();
  await transaction(app.runtime.deps.db, (trx) =>
    createOrganization(trx, SYSTEM, { name: 'Acme', ownerId: user.id }),
  );
  party = await app.createClient({ scope: 'openid email offline_access' });
  const machine = await app.createClient({ kind: 'machine' });
  await createApi(app, API, ['read']);
  await assignApi(app, machine.client, API);
  robot = machine;
  visitor = createVisitor();
  await visitor.signIn(request(), CALLBACK);
  // What every process keeps in memory is there from here on.
  await tokens();
  await tokens(ACME);
  await machineToken();
  prototype.query = function count(...args) {
    const text = typeof args[0] === 'string' ? args[0] : (args[0] as { text?: string }).text;
    // Background work has connections of its own, named otherwise.
    const { application_name } = (this as unknown as { connectionParameters: pg.ClientConfig })
      .connectionParameters;
    if (application_name === 'plinto') counted.push(String(text).replace(/\s+/g, ' '));
    return original.apply(this, args);
  };
});
afterAll(async () => {
  prototype.query = original;
  await app.stop();
});

type Asked = { organization?: string };
const ACME = { organization: 'acme' };

const request = (asked: Asked = {}): string =>
  authorizationUrl(app, party.client.id, { scope: 'openid email offline_access', ...asked });

async function code(asked?: Asked): Promise<string> {
  const back = await visitor.open(request(asked), CALLBACK);
  return new URL(back.url).searchParams.get('code') ?? '';
}

async function tokens(asked?: Asked): Promise<Record<string, string>> {
  return (await (await redeem(app, party, await code(asked))).json()) as Record<string, string>;
}

function machineToken(): Promise<Response> {
  return postAs(`${app.issuer}/token`, robot, {
    grant_type: 'client_credentials',
    resource: API,
    scope: 'read',
  });
}

/** Statements sent to PostgreSQL while `work` runs. */
async function statements(work: () => Promise<unknown>): Promise<string[]> {
  counted = [];
  await work();
  return counted;
}

type Work = () => Promise<() => Promise<unknown>>;

/** What apps do for somebody, in an organization or outside of any. */
const ways = (
  asked?: Asked,
): Record<'authorize' | 'code' | 'refresh' | 'introspect' | 'userinfo', Work> => ({
  authorize: async () => () => code(asked),
  code: async () => {
    const fresh = await code(asked);
    return () => redeem(app, party, fresh);
  },
  refresh: async () => {
    const { refresh_token } = await tokens(asked);
    const fields = { grant_type: 'refresh_token', refresh_token: String(refresh_token) };
    return () => postAs(`${app.issuer}/token`, party, fields);
  },
  introspect: async () => {
    const { access_token } = await tokens(asked);
    return () => postAs(`${app.issuer}/introspect`, party, { token: String(access_token) });
  },
  userinfo: async () => {
    const { access_token } = await tokens(asked);
    const headers = { authorization: `Bearer ${access_token}` };
    return () => fetch(`${app.issuer}/userinfo`, { headers });
  },
});

// Each number may only fall (performance.md). The library's own, with a store that answers at once,
// are 5, 6, 6, 1, 5, 3 with a client that it looks up each time; ours are kept in memory. Which
// organization is meant is looked up when it is asked for; the rest comes with the grant.
test.each<[string, number, Work]>([
  ['discovery', 0, async () => () => fetch(`${app.issuer}/.well-known/openid-configuration`)],
  ['the key set', 0, async () => () => fetch(`${app.issuer}/jwks`)],
  ['authorizing somebody who is signed in', 5, ways().authorize],
  ['authorizing them in an organization', 6, ways(ACME).authorize],
  ['redeeming a code', 6, ways().code],
  ['redeeming a code for an organization', 6, ways(ACME).code],
  ['refreshing', 6, ways().refresh],
  ['refreshing in an organization', 6, ways(ACME).refresh],
  ['a machine asking for a JWT', 0, async () => machineToken],
  ['introspection', 4, ways().introspect],
  ['introspection in an organization', 4, ways(ACME).introspect],
  ['userinfo', 3, ways().userinfo],
  ['userinfo in an organization', 3, ways(ACME).userinfo],
])('%s takes at most %i statements', async (_what, most, prepare) => {
  const work = await prepare();
  const sent = await statements(work);
  expect(sent.length, sent.join('\n')).toBeLessThanOrEqual(most);
});
