import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createInitialAccessToken } from '../../src/oidc/initial-access-token.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { errorOf, withConfig } from '../support/relying-party.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

type ClientRecord = Record<string, unknown> & {
  client_id: string;
  client_secret?: string;
  registration_access_token: string;
  registration_client_uri: string;
};

const METADATA = { redirect_uris: [CALLBACK], client_name: 'Dynamo' };

let app: TestApp;
let initialAccessToken: string;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  initialAccessToken = await createToken(3600);
});
afterAll(() => app.stop());

const createToken = (expiresIn: number) =>
  transaction(app.runtime.deps.db, (trx) =>
    createInitialAccessToken(trx, app.runtime, SYSTEM, expiresIn),
  );

const send = (method: string, url: string, token?: string, body?: object) =>
  fetch(url, {
    method,
    headers: {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

async function register(metadata: object = {}): Promise<ClientRecord> {
  const response = await send('POST', `${app.issuer}/register`, initialAccessToken, {
    ...METADATA,
    ...metadata,
  });
  expect(response.status).toBe(201);
  return (await response.json()) as ClientRecord;
}

const manage = (method: string, record: ClientRecord, body?: object) =>
  send(method, record.registration_client_uri, record.registration_access_token, body);

const json = async (response: Promise<Response>): Promise<ClientRecord> =>
  (await (await response).json()) as ClientRecord;

test('a client registers itself with an initial access token and signs a person in', async () => {
  const config = await oidc.dynamicClientRegistration(
    new URL(app.issuer),
    { ...METADATA, grant_types: ['authorization_code', 'refresh_token'] },
    undefined,
    { initialAccessToken, execute: [oidc.allowInsecureRequests] },
  );
  const party = withConfig(config);
  const request = await party.authorize({ scope: 'openid email' });
  const visitor = createVisitor();
  const consent = await visitor.signIn(request.url, CALLBACK);
  // Whoever registers a client is a third party.
  expect(pageName(consent)).toBe('consent');
  expect(consent.html).toContain('Dynamo');
  const back = await visitor.submit(consent, '/consent', {}, CALLBACK);
  expect((await request.redeem(back.url)).claims()?.email).toBe('ada@example.com');
});

test.each([
  ['no token', undefined],
  ['a wrong token', 'guessed'],
  ['an empty token', ''],
])('registration is refused with %s', async (_, token) => {
  const response = await send('POST', `${app.issuer}/register`, token, METADATA);
  expect([400, 401]).toContain(response.status);
  expect(await response.json()).toMatchObject({ error: expect.stringMatching(/^invalid_/) });
});

test('an initial access token ends', async () => {
  const token = await createToken(60);
  await app.runtime.deps.db.raw(
    `UPDATE oidc_artifacts SET payload =
       jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch FROM now())::int - 60))::json
     WHERE model = 'InitialAccessToken' AND expires_at < now() + interval '5 minutes'`,
  );
  const response = await send('POST', `${app.issuer}/register`, token, METADATA);
  expect(response.status).toBe(401);
  await register();
});

test.each([
  ['first_party', { first_party: true }],
  ['legacy_confidential', { legacy_confidential: true }],
  ['a policy of its own for second factors', { mfa: 'off' }],
  ['a scheme that runs script', { redirect_uris: ['javascript:alert(1)'] }],
  ['a fragment', { redirect_uris: [`${CALLBACK}#x`] }],
  ['plain http implicit', { response_types: ['id_token'], grant_types: ['implicit'] }],
  ['an algorithm that needs the secret', { id_token_signed_response_alg: 'HS256' }],
  ['no signature', { id_token_signed_response_alg: 'none' }],
  ['private keys', { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }] } }],
  ['an origin with a path', { allowed_origins: ['https://app.example.com/path'] }],
  ['an unknown grant type', { grant_types: ['password'] }],
])('registration is refused that asks for %s', async (_, metadata) => {
  const response = await send('POST', `${app.issuer}/register`, initialAccessToken, {
    ...METADATA,
    ...metadata,
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: expect.stringMatching(/^invalid_(client_metadata|redirect_uri)$/),
  });
});

describe('a registered client', () => {
  test('is shown its secret once, and nothing of ours', async () => {
    const record = await register();
    expect(record.client_secret).toMatch(/^[\w-]{43,}$/);
    expect(record).not.toHaveProperty('first_party');
    const read = await json(manage('GET', record));
    expect(read).toMatchObject({
      client_id: record.client_id,
      client_name: 'Dynamo',
      redirect_uris: [CALLBACK],
    });
    expect(read).not.toHaveProperty('client_secret');
    expect(read).not.toHaveProperty('first_party');
    expect(JSON.stringify(read)).not.toContain('hmac-sha256');
  });

  test('changes its record, keeps its secret, and gets a new token for the next time', async () => {
    const record = await register();
    const { registration_access_token, registration_client_uri, ...metadata } = await json(
      manage('GET', record),
    );
    const { client_id_issued_at: _at, client_secret_expires_at: _end, ...sent } = metadata;
    const updated = await json(
      manage('PUT', record, {
        ...sent,
        client_secret: record.client_secret,
        client_name: 'Renamed',
      }),
    );
    expect(updated.client_name).toBe('Renamed');
    expect(updated).not.toHaveProperty('client_secret');
    expect(JSON.stringify(updated)).not.toContain('hmac-sha256');
    expect(updated.registration_access_token).not.toBe(registration_access_token);
    expect((await manage('GET', record)).status).toBe(401);
    expect((await json(manage('GET', updated))).client_name).toBe('Renamed');
    expect(registration_client_uri).toBe(updated.registration_client_uri);
    expect(await errorOf(credentials(record, String(record.client_secret)))).toBe(
      'invalid_request',
    );
  });

  test('changes its record without naming the secret', async () => {
    const record = await register();
    const updated = await json(
      manage('PUT', record, { client_id: record.client_id, redirect_uris: [`${CALLBACK}/new`] }),
    );
    expect(updated.redirect_uris).toEqual([`${CALLBACK}/new`]);
    expect(await errorOf(credentials(record, String(record.client_secret)))).toBe(
      'invalid_request',
    );
  });

  test('keeps what an administrator set of it, and is not told', async () => {
    const record = await register();
    const clients = app.runtime.deps.db('clients').where({ id: record.client_id });
    await clients.clone().update({
      metadata: app.runtime.deps.db.raw(`metadata::jsonb || '{"mfa": "required"}'`),
    });
    const updated = await json(
      manage('PUT', record, { client_id: record.client_id, redirect_uris: [CALLBACK] }),
    );
    expect(updated).not.toHaveProperty('mfa');
    expect(await json(manage('GET', updated))).not.toHaveProperty('mfa');
    expect((await clients.first('metadata')).metadata).toMatchObject({ mfa: 'required' });
  });

  test.each([
    ['a secret of its own making', { client_secret: 'chosen' }],
    ['first_party', { first_party: true }],
    ['another policy for second factors', { mfa: 'off' }],
    ['the id of another', { client_id: 'other' }],
    ['a javascript: address', { redirect_uris: ['javascript:alert(1)'] }],
  ])('is refused %s', async (_, change) => {
    const record = await register();
    const response = await manage('PUT', record, {
      ...METADATA,
      client_id: record.client_id,
      ...change,
    });
    expect(response.status).toBe(400);
    expect((await json(manage('GET', record))).client_name).toBe('Dynamo');
  });

  test.each([
    ['that is no JSON', '{', 'application/json', 400],
    ['that is a list', '[]', 'application/json', 400],
    ['that is a form', 'client_name=x', 'application/x-www-form-urlencoded', 400],
    ['that is too large', JSON.stringify({ x: 'x'.repeat(1_000_000) }), 'application/json', 413],
  ])('is refused an update %s', async (_, body, type, status) => {
    const record = await register();
    const response = await fetch(record.registration_client_uri, {
      method: 'PUT',
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${record.registration_access_token}`,
        'content-type': type,
      },
      body,
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  });

  test('is out of reach with the token of another, which that costs its token', async () => {
    const [one, two] = [await register(), await register()];
    const crossed = { ...one, registration_access_token: two.registration_access_token };
    for (const method of ['GET', 'DELETE']) {
      expect((await manage(method, crossed)).status).toBe(401);
    }
    expect((await manage('GET', one)).status).toBe(200);
    expect((await manage('GET', two)).status).toBe(401);
  });

  test('deletes itself: its tokens end, and nobody signs in to it', async () => {
    const record = await register();
    expect((await manage('DELETE', record)).status).toBe(204);
    expect((await manage('GET', record)).status).toBe(401);
    expect(await errorOf(credentials(record, String(record.client_secret)))).toBe('invalid_client');
    const rows = await app.runtime.deps.db('clients').where({ id: record.client_id });
    expect(rows).toEqual([]);
  });

  test('is in the audit log from beginning to end', async () => {
    const record = await register();
    await manage('DELETE', record);
    const rows = await app.runtime.deps.db('audit_events').where({ client_id: record.client_id });
    expect(rows.map((row) => row.type).sort()).toEqual(['client.created', 'client.deleted']);
  });
});

/** A request that tells a right secret (`invalid_request`) from a wrong one (`invalid_client`). */
async function credentials(record: ClientRecord, secret: string): Promise<unknown> {
  const config = await oidc.discovery(
    new URL(app.issuer),
    record.client_id,
    undefined,
    oidc.ClientSecretBasic(secret),
    { execute: [oidc.allowInsecureRequests] },
  );
  return oidc.clientCredentialsGrant(config);
}

test('a client that authenticates by other means has no secret', async () => {
  const record = await register({ token_endpoint_auth_method: 'none' });
  expect(record).not.toHaveProperty('client_secret');
});

test('a client may choose none of its own secrets', async () => {
  const record = await register({ client_secret: 'chosen-by-the-client' });
  expect(record.client_secret).not.toBe('chosen-by-the-client');
});
