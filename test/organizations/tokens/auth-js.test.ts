import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Auth, type AuthConfig } from '@auth/core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../../support/visitor.ts';
import { join as joinOrganization, newOrganization, newUser } from '../organizations-app.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');

let app: TestApp;
let server: Server;
let home: string;
let person: Awaited<ReturnType<typeof newUser>>;

beforeAll(async () => {
  app = await startApp();
  person = await newUser(app);
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  home = `http://localhost:${(server.address() as AddressInfo).port}`;
  const { client, secret = '' } = await app.createClient({
    redirectUris: [`${home}/auth/callback/plinto`],
  });
  vi.stubEnv('ISSUER', app.issuer);
  vi.stubEnv('CLIENT_ID', client.id);
  vi.stubEnv('CLIENT_SECRET', secret);
  serve(server, home, {
    basePath: '/auth',
    secret: 'a secret of the app that is long enough',
    trustHost: true,
    ...(await configOfGuide()),
  });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await app.stop();
  server.closeAllConnections();
  server.close();
});

/** What the guide has an app tell Auth.js. */
async function configOfGuide(): Promise<Pick<AuthConfig, 'providers' | 'callbacks'>> {
  const guide = await readFile(join(REPOSITORY, 'docs/guides/b2b.md'), 'utf8');
  const code = guide.split('```js auth.mjs\n')[1]?.split('```')[0];
  if (code === undefined) throw new Error('the guide has no block auth.mjs');
  const module = await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`
  );
  return module.auth;
}

/** An app that does nothing but sign people in with Auth.js, as its documentation has it. */
function serve(on: Server, origin: string, config: AuthConfig): void {
  on.on('request', async (req, res) => {
    const { method = 'GET', url = '/', headers } = req;
    const body = method === 'POST' ? { body: Readable.toWeb(req), duplex: 'half' } : {};
    const init = { method, headers: headers as Record<string, string>, ...body };
    const answer = await Auth(new Request(origin + url, init as RequestInit), config);
    for (const [name, value] of answer.headers)
      if (name !== 'set-cookie') res.setHeader(name, value);
    res.setHeader('set-cookie', answer.headers.getSetCookie());
    res.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  });
}

/** Presses the app's button, which asks for an organization, or for none. */
async function signIn(visitor: Visitor, organization?: string): Promise<Page> {
  const csrf = await visitor.request(`${home}/auth/csrf`);
  const { csrfToken } = (await csrf.json()) as { csrfToken: string };
  const query = organization === undefined ? '' : `?organization=${organization}`;
  const page = await visitor.open(`${home}/auth/signin/plinto${query}`, `${home}/done`, {
    method: 'POST',
    body: new URLSearchParams({ csrfToken, callbackUrl: `${home}/done` }),
  });
  if (pageName(page) !== 'login') return page;
  const typed = { identifier: person.email, password: PASSWORD };
  return visitor.submit(page, '/login', typed, `${home}/done`);
}

async function sessionOf(visitor: Visitor): Promise<Record<string, unknown> | null> {
  const response = await visitor.request(`${home}/auth/session`);
  return (await response.json()) as Record<string, unknown> | null;
}

test('an app with Auth.js signs people in to an organization, and to another', async () => {
  const [one, other] = [
    await newOrganization(app, person.user.id),
    await newOrganization(app, (await newUser(app)).user.id),
  ];
  await joinOrganization(app, other.id, person.user, 'member');
  const visitor = createVisitor();
  await signIn(visitor, one.slug);
  expect(await sessionOf(visitor)).toMatchObject({
    user: { email: person.email },
    organization: one.slug,
    roles: ['owner'],
  });
  await signIn(visitor, other.slug);
  expect(await sessionOf(visitor)).toMatchObject({ organization: other.slug, roles: ['member'] });
  await signIn(visitor);
  const outside = await sessionOf(visitor);
  expect(outside).toMatchObject({ user: { email: person.email } });
  expect(outside).not.toHaveProperty('organization');
});

test('nobody is signed in to an organization that they don’t belong to', async () => {
  const foreign = await newOrganization(app, (await newUser(app)).user.id);
  const visitor = createVisitor();
  expect(pageName(await signIn(visitor, foreign.slug))).toBe('organization-refused');
  expect(await sessionOf(visitor)).toBeNull();
});
