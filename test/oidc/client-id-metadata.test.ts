import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from '../support/certificates.ts';
import { discover, withConfig } from '../support/relying-party.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

let app: TestApp;
let server: Server;
let base: string;
const documents = new Map<string, object | string>();
const requested: string[] = [];

beforeAll(async () => {
  setDefaultCACertificates([...getCACertificates('default'), LOCALHOST_CERTIFICATE]);
  app = await startApp({ CLIENT_ID_METADATA_DOCUMENT: 'true' });
  await app.createUser();
  server = createServer({ cert: LOCALHOST_CERTIFICATE, key: LOCALHOST_KEY }, (req, res) => {
    requested.push(String(req.url));
    const document = documents.get(String(req.url));
    if (document === undefined) return res.writeHead(404).end();
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(typeof document === 'string' ? document : JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await app.stop();
});

/** Publishes a client's metadata. @returns its client_id, which is where it is published. */
function publish(name: string, change: object = {}): string {
  const client_id = `${base}/${name}`;
  documents.set(`/${name}`, {
    client_id,
    client_name: `Agent ${name}`,
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    ...change,
  });
  return client_id;
}

async function ask(clientId: string) {
  const party = withConfig(await discover(app.issuer, clientId));
  const request = await party.authorize({ scope: 'openid email' });
  const visitor = createVisitor();
  return { ...request, visitor, open: () => visitor.signIn(request.url, CALLBACK) };
}

test('is announced', async () => {
  const metadata = await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json();
  expect(metadata).toMatchObject({ client_id_metadata_document_supported: true });
});

test('a client nobody registered signs a person in, who agrees first', async () => {
  const request = await ask(publish('first'));
  const consent = await request.open();
  expect(pageName(consent)).toBe('consent');
  expect(consent.html).toContain('Agent first');
  const back = await request.visitor.submit(consent, '/consent', {}, CALLBACK);
  const tokens = await request.redeem(back.url);
  expect(tokens.claims()).toMatchObject({ email: 'ada@example.com', aud: `${base}/first` });
});

test('its document is fetched once in a while, not each time', async () => {
  const clientId = publish('cached');
  for (const _ of [1, 2, 3]) await (await ask(clientId)).visitor.open((await ask(clientId)).url);
  expect(requested.filter((path) => path === '/cached')).toHaveLength(1);
});

test.each<[string, object]>([
  ['makes itself first-party', { first_party: true }],
  ['does without PKCE', { legacy_confidential: true }],
  ['does without second factors', { mfa: 'off' }],
  ['is published for another', { client_id: 'https://elsewhere.example/client' }],
  ['brings a secret', { client_secret: 'shared', token_endpoint_auth_method: 'none' }],
  ['authenticates by a secret', { token_endpoint_auth_method: 'client_secret_basic' }],
  ['redirects to a script', { redirect_uris: ['javascript:alert(1)'] }],
  ['is too long', { client_uri: `https://x.example/${'x'.repeat(6000)}` }],
])('a client that %s is refused', async (name, change) => {
  const request = await ask(publish(encodeURIComponent(name), change));
  const page = await request.visitor.open(request.url, CALLBACK);
  expect(pageName(page)).toBe('error');
  expect(page.status).toBe(400);
});

test.each([
  ['is not there', () => `${base}/nothing`],
  ['is no JSON', () => malformed()],
  ['is out of reach', () => 'https://127.0.0.1:9/client'],
  ['is not https', () => base.replace('https:', 'http:')],
  ['has a fragment', () => `${base}/first#x`],
])('a client whose document %s is refused', async (_, clientId) => {
  const party = withConfig(await discover(app.issuer, clientId()));
  const { url } = await party.authorize();
  const page = await createVisitor().open(url, CALLBACK);
  expect(pageName(page)).toBe('error');
  expect(page.status).toBe(400);
});

function malformed(): string {
  documents.set('/malformed', '{"client_id"');
  return `${base}/malformed`;
}

test('it is off unless turned on', async () => {
  const plain = await startApp();
  const party = withConfig(await discover(plain.issuer, `${base}/never`, undefined, oidc.None()));
  const { url } = await party.authorize();
  expect(pageName(await createVisitor().open(url, CALLBACK))).toBe('error');
  expect(requested).not.toContain('/never');
  await plain.stop();
});
