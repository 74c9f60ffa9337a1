import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMPILED, run } from '../cli/plinto.ts';
import { join as joinOrganization } from '../organizations/organizations-app.ts';
import { assignApi, createApi } from '../support/api.ts';
import { PASSWORD, SECRET, startApp, type TestApp } from '../support/app.ts';
import { type Program, startProgram } from '../support/program.ts';
import { discover, errorOf, type Tokens, withConfig } from '../support/relying-party.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Where the guide's code can be imported from, and finds openid-client and jose. */
const CACHE = join(REPOSITORY, 'node_modules/.cache');
const SCOPE = 'openid offline_access invoices:read invoices:write';
/** What is written for Acme, and nobody else is to see. */
const ACME = ['Ten anvils', 'A rocket', 'A magnet'];
const OTHER_API = 'https://other.example';

let guide: string;
let folder: string;
let plinto: TestApp;
let home: string;
let api: string;
let secret: string;
let invitation: string;
let ledger: Program;
let invoices: Program;
let config: oidc.Configuration;
const ada = createVisitor();
const grace = createVisitor();

beforeAll(async () => {
  guide = await readFile(join(REPOSITORY, 'docs/guides/b2b.md'), 'utf8');
  await mkdir(CACHE, { recursive: true });
  folder = await mkdtemp(join(CACHE, 'guide-'));
  const ports = [await holdPort(), await holdPort()] as const;
  home = `http://localhost:${ports[0].port}/`;
  api = `http://localhost:${ports[1].port}`;
  // The app renews tokens a minute early: these at each use.
  plinto = await startApp({ ACCESS_TOKEN_TTL: '60' });
  const people = commands('people', { options: '--password-stdin', input: `${PASSWORD}\n` });
  await commands('api');
  secret = secretIn(await commands('app'));
  await people;
  const [, link = ''] = /link on yourself: (\S+)/.exec(await commands('customers')) ?? [];
  invitation = link;
  for (const name of ['app.mjs', 'api.mjs', 'verify.mjs', 'machine.mjs']) {
    await writeFile(join(folder, name), block(`js ${name}`));
  }
  await Promise.all(ports.map(({ release }) => release()));
  [invoices, ledger] = [start('api.mjs'), start('app.mjs', { CLIENT_SECRET: secret })];
  await Promise.all([invoices.saw(/Invoices are at/), ledger.saw(/Ledger is at/)]);
  config = await discover(plinto.issuer, 'ledger', secret);
});

afterAll(async () => {
  await Promise.all([ledger?.stop(), invoices?.stop()]);
  await plinto?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A port that nobody else gets meanwhile: commands name it long before a program listens there. */
async function holdPort(): Promise<{ port: number; release: () => Promise<unknown> }> {
  const holder = createServer().listen(0);
  await once(holder, 'listening');
  return {
    port: (holder.address() as AddressInfo).port,
    release: () => once(holder.close(), 'close'),
  };
}

/** A code block of the guide, by the words after its language. */
function block(name: string): string {
  const found = guide.split(`\`\`\`${name}\n`)[1]?.split('```')[0];
  if (found === undefined) throw new Error(`the guide has no block ${name}`);
  return found.replaceAll('http://localhost:4000/', home).replaceAll('http://localhost:4001', api);
}

/** Runs the commands of a block one after the other, and gives what they printed. */
async function commands(name: string, { options = '', input = '' } = {}): Promise<string> {
  const settings = { DATABASE_URL: plinto.database.url, PLINTO_SECRET: SECRET };
  const env = { ...settings, ISSUER: plinto.issuer, NODE_COMPILE_CACHE: COMPILED };
  let printed = '';
  for (const line of block(`sh ${name}`)
    .trim()
    .split(/(?<!\\)\n/)) {
    const command = `${line.replace('npx plinto', 'node src/main.ts')} ${options}`;
    const outcome = await run('sh', ['-c', command], { env, input, cwd: REPOSITORY });
    expect(outcome, line).toMatchObject({ code: 0, stderr: '' });
    printed += outcome.stdout;
  }
  return printed;
}

const secretIn = (printed: string) => /client_secret +(\S+)/.exec(printed)?.[1] ?? '';

/** Starts a file of the guide as a process of its own. */
function start(file: string, env: Record<string, string> = {}): Program {
  const settings = { ISSUER: plinto.issuer, API: api, PORT: new URL(home).port };
  return startProgram('node', [file], { env: { ...settings, ...env }, cwd: folder });
}

/** The app's page of an organization, or whatever comes in place of it. */
const open = (visitor: Visitor, slug: string) => visitor.open(`${home}o/${slug}`);

/** Writes an invoice by the app. */
const write = (visitor: Visitor, slug: string, body: string) =>
  visitor.open(`${home}o/${slug}`, undefined, { method: 'POST', body });

const signIn = (visitor: Visitor, page: Page, identifier: string) =>
  visitor.submit(page, '/login', { identifier, password: PASSWORD });

/** Tokens that the app gets for somebody who is signed in. */
async function tokensOf(
  visitor: Visitor,
  organization: string,
  resource: string | undefined = api,
): Promise<Tokens> {
  const party = withConfig(config, `${home}callback`);
  const named = resource === '' ? {} : { resource };
  const request = await party.authorize({ scope: SCOPE, organization, ...named });
  const back = await visitor.open(request.url, `${home}callback`);
  return request.redeem(back.url, named);
}

/** What the API answers. */
async function call(path: string, token?: string, init: RequestInit = {}) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${api}${path}`, { ...init, headers });
  const text = await response.text();
  const body = text === '' ? undefined : (JSON.parse(text) as unknown);
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body };
}

/** Texts of the invoices that a token reads. */
async function textsOf(token: string): Promise<string[]> {
  const { body } = await call('/invoices', token);
  return (body as { text: string }[]).map(({ text }) => text);
}

describe('the app of the guide', () => {
  test('asks who belongs to several which one, and writes where they may', async () => {
    const choice = await signIn(ada, await ada.open(home), 'ada@example.com');
    expect(pageName(choice)).toBe('choose-organization');
    const [, acme = ''] = /value="([^"]+)"><bdi>Acme</.exec(choice.html) ?? [];
    const page = await ada.submit(choice, '/choose-organization', { organization: acme });
    expect(page).toMatchObject({ url: `${home}o/acme`, status: 200 });
    expect(page.html).toBe(`Acme, where you are owner\nInvoices: []\nGlobex: ${home}o/globex\n`);
    const written = await write(ada, 'acme', 'Ten anvils');
    expect(written).toMatchObject({ url: `${home}o/acme`, status: 200 });
    expect(written.html).toContain('"text":"Ten anvils"');
  });

  test('switches without a page, and shows nothing of the other customer', async () => {
    const page = await open(ada, 'globex');
    expect(page).toMatchObject({ url: `${home}o/globex`, status: 200 });
    expect(page.html).toContain('Globex, where you are member\nInvoices: []\n');
    const refused = await write(ada, 'globex', 'Ten anvils');
    expect(refused).toMatchObject({ status: 403, html: 'You may not write invoices here.\n' });
    // The other tab is where it was.
    expect((await write(ada, 'acme', 'A rocket')).html).toContain('"text":"A rocket"');
    expect((await open(ada, 'globex')).html).toContain('Invoices: []\n');
  });

  test('signs who has one organization in to that, and to no other', async () => {
    const page = await signIn(grace, await grace.open(home), 'grace@example.com');
    expect(page).toMatchObject({ url: `${home}o/globex`, status: 200 });
    expect(page.html).toBe('Globex, where you are owner\nInvoices: []\n');
    expect((await write(grace, 'globex', 'A tunnel')).html).toContain('"text":"A tunnel"');
    for (const slug of ['acme', 'nobody']) {
      const refused = await open(grace, slug);
      expect(pageName(refused)).toBe('organization-refused');
      expect(refused.html).not.toContain('Acme');
      const back = await grace.submit(refused, '/abort');
      expect(back).toMatchObject({ status: 403 });
      expect(back.html).toMatch(/^You did not sign in\./);
    }
  });

  test('is where who was invited ends, with the role they were given', async () => {
    const charles = createVisitor();
    const page = await charles.open(invitation);
    const names = { given_name: 'Charles', family_name: 'Babbage' };
    const joined = await charles.submit(page, new URL(invitation).pathname, {
      ...names,
      new_password: PASSWORD,
    });
    expect(joined.html).toContain(`href="${home}"`);
    const inside = await signIn(charles, await charles.open(home), 'charles@example.com');
    expect(inside.html).toMatch(/^Acme, where you are accountant\nInvoices: .*anvils/);
    expect((await write(charles, 'acme', 'A magnet')).html).toContain('"text":"A magnet"');
  });

  test('takes no answer that the browser did not ask for', async () => {
    const forged = await ada.open(`${home}callback?code=x&state=y&iss=${plinto.issuer}`);
    expect(forged).toMatchObject({ status: 400 });
    expect((await open(ada, 'acme')).status).toBe(200);
  });

  test('keeps nothing of one person for the next in the same browser', async () => {
    const shared = createVisitor();
    await signIn(shared, await open(shared, 'acme'), 'ada@example.com');
    expect((await open(shared, 'acme')).html).toContain('A rocket');
    for (const cookie of await shared.jar.getCookies(plinto.issuer)) {
      if (cookie.key !== 'ledger') cookie.expires = new Date(0);
      await shared.jar.setCookie(cookie, plinto.issuer);
    }
    await signIn(shared, await open(shared, 'globex'), 'grace@example.com');
    expect(pageName(await open(shared, 'acme'))).toBe('organization-refused');
  });
});

describe('the API of the guide', () => {
  test('reads and writes for the organization of the token alone', async () => {
    const [at, there] = [await tokensOf(ada, 'acme'), await tokensOf(ada, 'globex')];
    expect(await textsOf(at.access_token)).toEqual(ACME);
    expect(await textsOf(there.access_token)).toEqual(['A tunnel']);
    const orgId = at.claims()?.org_id;
    const { body } = await call(`/invoices?org_id=${orgId}&organization=acme`, there.access_token);
    expect(body).toMatchObject([{ text: 'A tunnel' }]);
    const own = (await call('/invoices', at.access_token)).body as { id: string }[];
    const path = `/invoices/${own[0]?.id}`;
    expect(await call(path, at.access_token)).toMatchObject({ status: 200, body: own[0] });
    expect(await call(path, there.access_token)).toMatchObject({ status: 404, body: undefined });
    const write = { method: 'POST', body: 'Theirs' };
    expect(await call('/invoices', there.access_token, write)).toMatchObject({
      status: 403,
      challenge: 'Bearer error="insufficient_scope", scope="invoices:write"',
    });
    expect((await call('/invoices', at.access_token, { method: 'DELETE' })).status).toBe(404);
  });

  test('takes nothing but access tokens for it', async () => {
    await createApi(plinto, OTHER_API, ['invoices:read']);
    await assignApi(plinto, { id: 'ledger' }, OTHER_API);
    const tokens = await tokensOf(ada, 'acme');
    const other = await tokensOf(ada, 'acme', OTHER_API);
    const opaque = await tokensOf(ada, 'acme', '');
    const [head, body, signature = ''] = tokens.access_token.split('.');
    const refused = { status: 401, challenge: 'Bearer error="invalid_token"' };
    for (const token of [
      'x',
      String(tokens.id_token),
      opaque.access_token,
      other.access_token,
      `${head}.${body}.${signature.split('').reverse().join('')}`,
    ]) {
      expect(await call('/invoices', token)).toMatchObject(refused);
    }
    expect(await call('/invoices')).toMatchObject({ status: 401, challenge: 'Bearer' });
  });
});

test('a machine of a customer reads that customer’s data, and no other’s', async () => {
  const SECRET = secretIn(await commands('machine'));
  const machine = start('machine.mjs', { SECRET });
  expect(await machine.ended, machine.output()).toBe(0);
  const read = JSON.parse(machine.output()) as { text: string }[];
  expect(read.map(({ text }) => text)).toEqual(ACME);
  const own = await discover(plinto.issuer, 'acme-export', SECRET);
  const asks = { resource: api, scope: 'invoices:read invoices:write' };
  const { access_token, scope } = await oidc.clientCredentialsGrant(own, asks);
  expect(scope).toBe('invoices:read');
  expect((await call('/invoices', access_token, { method: 'POST' })).status).toBe(403);
  const elsewhere = oidc.clientCredentialsGrant(own, { ...asks, organization: 'globex' });
  expect(await errorOf(elsewhere)).toBe('invalid_request');
});

test('what a member had in an organization ends with the membership; a JWT lives on', async () => {
  const { access_token, refresh_token } = await tokensOf(ada, 'globex');
  await commands('removal');
  expect(await textsOf(access_token)).toEqual(['A tunnel']);
  const refresh = oidc.refreshTokenGrant(config, String(refresh_token), { resource: api });
  expect(await errorOf(refresh)).toBe('invalid_grant');
  expect(pageName(await open(ada, 'globex'))).toBe('organization-refused');
  const acme = await open(ada, 'acme');
  expect(acme.html).toMatch(/^Acme, where you are owner\nInvoices: .*\n$/);
});

test('an API that introspects hears at once of what ended', async () => {
  const SECRET = secretIn(await commands('introspection'));
  await invoices.stop();
  await writeFile(join(folder, 'verify.mjs'), block('js verify.mjs by introspection'));
  invoices = start('api.mjs', { SECRET });
  await invoices.saw(/Invoices are at/);
  const { db } = plinto.runtime.deps;
  const acme = await db('organizations').where({ slug: 'acme' }).first();
  const user = await db('users').where({ email: 'grace@example.com' }).first();
  await joinOrganization(plinto, acme.id, user, 'member');
  const { access_token } = await tokensOf(grace, 'acme');
  const read = { status: 200, body: [] };
  expect(await call('/invoices', access_token)).toMatchObject(read);
  const elsewhere = await tokensOf(grace, 'globex');
  await db('memberships').where({ organization_id: acme.id, user_id: user.id }).delete();
  expect(await call('/invoices', access_token)).toMatchObject({ status: 401 });
  expect(await call('/invoices', elsewhere.access_token)).toMatchObject(read);
  expect(await call('/invoices', String(elsewhere.id_token))).toMatchObject({ status: 401 });
});

test('the app of the guide sends who doesn’t meet a new rule to do what is missing', async () => {
  expect((await open(ada, 'acme')).status).toBe(200);
  await commands('rules');
  expect(pageName(await open(ada, 'acme'))).toBe('enrol-mfa');
});
