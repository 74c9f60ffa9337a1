import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignApi, createApi } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

const API = 'https://api.example.com/orders';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Of the API, one permission is assigned; of the standard scopes, these. */
const ASSIGNED = 'orders:read';
const SCOPE = 'openid email offline_access';
/** Everything there is, and something there isn't. */
const API_WISH = 'orders:read orders:write orders:delete admin';

type Answer = { scope?: string; access_token?: string; refresh_token?: string; error?: string };

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await createApi(app, API, ['orders:read', 'orders:write', 'orders:delete']);
});
afterAll(() => app.stop());

async function createAssigned(input: Parameters<TestApp['createClient']>[0]): Promise<Credentials> {
  const credentials = await app.createClient({ scope: SCOPE, ...input });
  await assignApi(app, credentials.client as never, API, [ASSIGNED]);
  return credentials;
}

/** A code for what is asked, the person agreeing to all of it where a page asks. */
async function codeFor(
  { client }: Credentials,
  params: Record<string, string | undefined>,
): Promise<Record<string, string>> {
  const visitor = createVisitor();
  const page = await visitor.signIn(authorizationUrl(app, client.id, params), CALLBACK);
  const back =
    pageName(page) === 'consent' ? await visitor.submit(page, '/consent', {}, CALLBACK) : page;
  return callbackParams(back.url);
}

async function answerOf(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

/** What a token for the API carries. */
function permissionsOf(answer: Answer): unknown {
  return decodeJwt(String(answer.access_token)).scope;
}

describe.each([true, false])('security 18: a client, first party: %s', (firstParty) => {
  let web: Credentials;

  beforeAll(async () => {
    web = await createAssigned({ firstParty });
  });

  test('asking for a standard scope it was not given is refused', async () => {
    const answer = await codeFor(web, { scope: 'openid email address phone' });
    expect(answer).toMatchObject({ error: 'invalid_scope' });
  });

  test('gets by code only the permissions it was given', async () => {
    const { code = '' } = await codeFor(web, {
      scope: API_WISH,
      resource: API,
      nonce: undefined,
    });
    const answer = await answerOf(await redeem(app, web, code));
    expect(answer.scope).toBe(ASSIGNED);
    expect(permissionsOf(answer)).toBe(ASSIGNED);
  });

  test('gets no more by refreshing', async () => {
    const { code = '' } = await codeFor(web, {
      scope: `${SCOPE} ${API_WISH}`,
      resource: API,
      prompt: 'consent',
    });
    const { refresh_token = '' } = await answerOf(await redeem(app, web, code));
    const refresh = { grant_type: 'refresh_token', refresh_token };
    const wider = { ...refresh, scope: 'openid orders:write' };
    expect(await answerOf(await postAs(`${app.issuer}/token`, web, wider))).toMatchObject({
      error: 'invalid_scope',
    });
    const answer = await answerOf(
      await postAs(`${app.issuer}/token`, web, { ...refresh, resource: API }),
    );
    expect(permissionsOf(answer)).toBe(ASSIGNED);
  });

  test('gets by device code only what it was given', async () => {
    const device = await createAssigned({ kind: 'native', firstParty });
    const refused = await postAs(`${app.issuer}/device/authorize`, device, {
      scope: 'openid address',
    });
    expect(await answerOf(refused)).toMatchObject({ error: 'invalid_scope' });
    const begun = await postAs(`${app.issuer}/device/authorize`, device, {
      scope: API_WISH,
      resource: API,
    });
    const { user_code = '', device_code = '' } = (await begun.json()) as Record<string, string>;
    const visitor = createVisitor();
    await visitor.signIn(authorizationUrl(app, web.client.id), 'http');
    const entry = await visitor.open(`${app.issuer}/device`);
    const confirm = await visitor.submit(entry, '/device', { user_code });
    let page = await visitor.submit(confirm, '/device');
    if (pageName(page) === 'login') {
      page = await visitor.submit(page, '/login', {
        identifier: 'ada@example.com',
        password: 'violet-kettle-orbits-42',
      });
    }
    if (pageName(page) === 'consent') page = await visitor.submit(page, '/consent');
    expect(pageName(page)).toBe('device-done');
    const answer = await answerOf(
      await postAs(`${app.issuer}/token`, device, { grant_type: DEVICE_GRANT, device_code }),
    );
    expect(permissionsOf(answer)).toBe(ASSIGNED);
  });
});

test('security 18: a machine gets only what it was given', async () => {
  const machine = await createAssigned({ kind: 'machine', scope: undefined });
  const ask = (scope: string) =>
    postAs(`${app.issuer}/token`, machine, {
      grant_type: 'client_credentials',
      scope,
      resource: API,
    });
  expect(permissionsOf(await answerOf(await ask(ASSIGNED)))).toBe(ASSIGNED);
  const wide = await answerOf(await ask(API_WISH));
  expect(wide.error === undefined ? permissionsOf(wide) : wide.error).toMatch(
    /^(orders:read|invalid_scope)$/,
  );
});
