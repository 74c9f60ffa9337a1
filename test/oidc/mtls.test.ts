import { createPublicKey, X509Certificate } from 'node:crypto';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { startApp, type TestApp, type TestClient } from '../support/app.ts';
import { MACHINE_CERTIFICATE, STRANGER_CERTIFICATE } from '../support/certificates.ts';
import { createRelyingParty, errorOf, type RelyingParty } from '../support/relying-party.ts';

const HEADER = 'x-client-certificate';
const API = 'https://api.example.com/';

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ CLIENT_CERTIFICATE_HEADER: HEADER, TRUST_PROXY: '1' });
  await app.createUser();
  await createApi(app, API, ['read']);
});
afterAll(() => app.stop());

const bare = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, '');

/** Makes a client's requests come through a proxy that saw this certificate, or none. */
function present(config: oidc.Configuration, pem: string | undefined): void {
  config[oidc.customFetch] = (url, { headers, ...options }) =>
    fetch(url, {
      ...(options as RequestInit),
      headers: { ...headers, ...(pem === undefined ? {} : { [HEADER]: encodeURIComponent(pem) }) },
    });
}

async function machineWith(metadata: TestClient['metadata']): Promise<RelyingParty> {
  const machine = await createRelyingParty(app, {
    kind: 'machine',
    metadata: { ...metadata },
    auth: oidc.TlsClientAuth(),
  });
  await assignApi(app, machine.client, API);
  return machine;
}

const ask = (party: RelyingParty) => oidc.clientCredentialsGrant(party.config, { resource: API });

test('is offered in discovery once a proxy passes certificates', async () => {
  const metadata = await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json();
  expect(metadata).toMatchObject({
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_methods_supported: expect.arrayContaining([
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ]),
  });
});

describe('self_signed_tls_client_auth', () => {
  let machine: RelyingParty;
  beforeAll(async () => {
    const jwk = createPublicKey(MACHINE_CERTIFICATE).export({ format: 'jwk' });
    const keys = [{ ...jwk, kid: 'machine', x5c: [bare(MACHINE_CERTIFICATE)] }];
    machine = await machineWith({
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys },
    });
  });

  test('a client is known by its registered certificate', async () => {
    present(machine.config, MACHINE_CERTIFICATE);
    await expect(ask(machine)).resolves.toMatchObject({ token_type: 'bearer' });
  });

  test.each([
    ['another certificate', STRANGER_CERTIFICATE],
    ['no certificate', undefined],
    ['an empty one', ''],
    ['something else', 'nonsense'],
    ['a truncated one', MACHINE_CERTIFICATE.slice(0, 300)],
  ])('and not by %s', async (_, pem) => {
    present(machine.config, pem);
    expect(await errorOf(ask(machine))).toBe('invalid_client');
  });
});

describe('tls_client_auth', () => {
  test.each([
    ['tls_client_auth_subject_dn', 'CN=machine-1,OU=Machines,O=Example\\, Inc.'],
    ['tls_client_auth_subject_dn', 'O=Example\\, Inc., OU=Machines, CN=machine-1'],
    ['tls_client_auth_san_dns', 'machine-1.example.com'],
    ['tls_client_auth_san_uri', 'https://example.com/machines/1'],
    ['tls_client_auth_san_ip', '192.0.2.7'],
    ['tls_client_auth_san_email', 'machine-1@example.com'],
  ])('a client is known by %s %s', async (property, value) => {
    const machine = await machineWith({
      token_endpoint_auth_method: 'tls_client_auth',
      [property]: value,
    });
    present(machine.config, MACHINE_CERTIFICATE);
    await expect(ask(machine)).resolves.toMatchObject({ token_type: 'bearer' });
    for (const pem of [STRANGER_CERTIFICATE, undefined]) {
      present(machine.config, pem);
      expect(await errorOf(ask(machine))).toBe('invalid_client');
    }
  });

  test.each([
    ['tls_client_auth_subject_dn', 'CN=machine-1'],
    ['tls_client_auth_subject_dn', 'CN=machine-1,OU=Machines'],
    ['tls_client_auth_san_dns', 'example.com'],
    ['tls_client_auth_san_dns', 'https://example.com/machines/1'],
  ])('a name that is only part of it is not it: %s %s', async (property, value) => {
    const machine = await machineWith({
      token_endpoint_auth_method: 'tls_client_auth',
      [property]: value,
    });
    present(machine.config, MACHINE_CERTIFICATE);
    expect(await errorOf(ask(machine))).toBe('invalid_client');
  });
});

describe('a token bound to a certificate', () => {
  const bound = { tls_client_certificate_bound_access_tokens: true };

  test('names it, in a JWT and in introspection', async () => {
    const machine = await createRelyingParty(app, { kind: 'machine', metadata: bound });
    await assignApi(app, machine.client, API);
    present(machine.config, MACHINE_CERTIFICATE);
    const { payload } = await verifyAccessToken(app.issuer, (await ask(machine)).access_token, API);
    const der = new X509Certificate(MACHINE_CERTIFICATE).fingerprint256.replaceAll(':', '');
    const thumbprint = Buffer.from(der, 'hex').toString('base64url');
    expect(payload.cnf).toEqual({ 'x5t#S256': thumbprint });
    const opaque = await oidc.clientCredentialsGrant(machine.config);
    const told = await oidc.tokenIntrospection(machine.config, opaque.access_token);
    expect(told.cnf).toEqual({ 'x5t#S256': thumbprint });
    present(machine.config, undefined);
    expect(await errorOf(ask(machine))).toBe('invalid_grant');
  });

  test('is good for userinfo with that certificate only', async () => {
    const party = await createRelyingParty(app, { metadata: bound });
    present(party.config, MACHINE_CERTIFICATE);
    const tokens = await party.signIn({ scope: 'openid email' });
    const read = () =>
      oidc.fetchUserInfo(party.config, tokens.access_token, String(tokens.claims()?.sub));
    expect((await read()).email).toBe('ada@example.com');
    for (const pem of [STRANGER_CERTIFICATE, undefined]) {
      present(party.config, pem);
      expect(await errorOf(read())).toBe('invalid_token');
    }
  });

  test('is refreshed by a public client with that certificate only', async () => {
    const spa = await createRelyingParty(app, { kind: 'spa', metadata: bound });
    present(spa.config, MACHINE_CERTIFICATE);
    const { refresh_token } = await spa.signIn({ scope: 'openid offline_access' });
    const refresh = () => oidc.refreshTokenGrant(spa.config, String(refresh_token));
    for (const pem of [STRANGER_CERTIFICATE, undefined]) {
      present(spa.config, pem);
      expect(await errorOf(refresh())).toBe('invalid_grant');
    }
    present(spa.config, MACHINE_CERTIFICATE);
    await expect(refresh()).resolves.toMatchObject({ token_type: 'bearer' });
  });

  test('may be passed as bare base64, as some proxies do', async () => {
    const machine = await createRelyingParty(app, { kind: 'machine', metadata: bound });
    await assignApi(app, machine.client, API);
    present(machine.config, bare(MACHINE_CERTIFICATE));
    await expect(ask(machine)).resolves.toMatchObject({ token_type: 'bearer' });
  });
});
