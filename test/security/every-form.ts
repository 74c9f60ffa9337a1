import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { vi } from 'vitest';
import { createApp } from '../../src/app.ts';
import { createPasswordHasher } from '../../src/crypto/password-hash.ts';
import type { User } from '../../src/users/store.ts';
import { forgetThrottles, startRegistrationApp } from '../registration/registration-app.ts';
import { PASSWORD, type TestApp } from '../support/app.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import type { Mailbox } from '../support/mailbox.ts';
import { createVisitor, findForm, type Page, type Visitor } from '../support/visitor.ts';
import { MESSAGE_CODES } from './message-code-scenes.ts';

/** An installation with everything that there are forms for. */
export type Stage = TestApp & {
  mailbox: Mailbox;
  dns: DnsServer;
  clientId: string;
  foreignId: string;
  /** The code in the text message to a number. */
  textedCode: (phone: string) => Promise<string>;
  /** Somebody new. */
  person: (input?: Parameters<TestApp['createUser']>[0]) => Promise<Person>;
  /** A browser; every header of these is forged. */
  browser: () => Visitor;
};

export type Person = { user: User; email: string };

/** A form as it is in a browser, filled in so that it would work. */
export type Scene = {
  visitor: Visitor;
  action: string;
  fields: Record<string, string>;
  /** Sent as a form with files, and these in it. */
  files?: Record<string, Buffer>;
  /** Whose account it is about, if there is one yet. */
  person?: Person;
};

/** What a proxy passes on of a client that lies about the host. */
export const EVIL = 'evil.example';
const FORGED = {
  'x-forwarded-host': EVIL,
  'x-forwarded-proto': 'http',
  'x-original-url': `https://${EVIL}/`,
  forwarded: `host=${EVIL}`,
};

/** Starts it. */
export async function startStage(env: Record<string, string> = {}): Promise<Stage> {
  const received: { to: string; text: string }[] = [];
  const gateway = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    received.push(JSON.parse(body));
    res.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const { port } = gateway.address() as AddressInfo;
  const dns = await startDnsServer();
  const app = await startRegistrationApp({
    DNS_SERVERS: dns.address,
    EMAIL_SIGN_IN: 'true',
    PASSKEY_OFFER_DAYS: '30',
    MFA_RECOVERY_DELAY_HOURS: '1',
    ...MESSAGE_CODES,
    TRUST_PROXY: '1',
    SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/sms`,
    SMS_WEBHOOK_SECRET: `whsec_${Buffer.from('a key of the gateway that is long').toString('base64')}`,
    PROFILE_ATTRIBUTES: 'department=Department',
    ORGANIZATION_CREATION: 'everyone',
    ...env,
  });
  const { client } = await app.createClient({ firstParty: false, name: 'Foreign' });
  let people = 0;
  let browsers = 0;
  return {
    ...app,
    dns,
    foreignId: client.id,
    textedCode: (phone) =>
      vi.waitFor(
        () => {
          const sent = received.findLast((message) => message.to === phone);
          if (sent === undefined) throw new Error(`no message to ${phone}`);
          return String(/\d{8}/.exec(sent.text)?.[0]);
        },
        { timeout: 15_000, interval: 20 },
      ),
    person: async (input = {}) => {
      people += 1;
      const email = `person${people}@example.com`;
      return { email, user: await app.createUser({ email, ...input }) };
    },
    browser: () => {
      browsers += 1;
      return createVisitor({ ...FORGED, 'x-forwarded-for': `2001:db8:${browsers}::1` });
    },
    stop: async () => {
      await app.stop();
      await dns.close();
      gateway.close();
      gateway.closeAllConnections();
    },
  };
}

/** `METHOD /path` of every route that isn't the provider's own, as the routers have them. */
export async function listRoutes(app: TestApp): Promise<string[]> {
  const { deps, keyring } = app.runtime;
  const { config } = app;
  const hasher = createPasswordHasher(config.passwordHashing);
  const parts = { deps, keyring, config, hasher, hearsChanges: () => false };
  const { routers } = await createApp(parts);
  const layers = routers.flatMap(({ stack }) => stack);
  const routes = layers.flatMap(({ methods, path }) =>
    ['GET', 'POST'].filter((m) => methods.includes(m)).map((m) => `${m} ${path}`),
  );
  return [...new Set(routes)].filter((route) => !route.includes('{*'));
}

/** A form of a page, with what is typed into it. */
export function sceneOf(
  visitor: Visitor,
  page: Page,
  suffix: string,
  typed: Record<string, string> = {},
): Scene {
  const { action, hidden } = findForm(page, suffix);
  return { visitor, action, fields: { ...hidden, ...typed } };
}

/** Signs somebody in at the account pages, to the page that was asked for. */
export async function openAccount(
  stage: Stage,
  person: Person,
  path: string,
  password = PASSWORD,
): Promise<{ visitor: Visitor; page: Page }> {
  const visitor = stage.browser();
  const login = await visitor.open(`${stage.issuer}${path}`);
  const fields = { identifier: person.email, password };
  return { visitor, page: await visitor.submit(login, '/login', fields) };
}

/** Sends a scene's form; redirects aren't followed. A server that is too busy is asked again. */
export async function send(
  { visitor, action, fields, files }: Scene,
  headers: Record<string, string> = {},
): Promise<{ status: number; location: string; html: string }> {
  for (let tries = 1; ; tries += 1) {
    const body = files === undefined ? new URLSearchParams(fields) : multipart(fields, files);
    const response = await visitor.request(action, { method: 'POST', headers, body });
    const html = await response.text();
    const { status } = response;
    if (status !== 503 || tries === 10) {
      return { status, location: response.headers.get('location') ?? '', html };
    }
  }
}

function multipart(fields: Record<string, string>, files: Record<string, Buffer>): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  for (const [name, file] of Object.entries(files)) {
    body.append(name, new Blob([new Uint8Array(file)]), `${name}.png`);
  }
  return body;
}

/** Tables that change by being looked at, or in which a worker is busy. */
const RESTLESS = ['oidc_sessions', 'sign_ins', 'throttles', 'known_devices', 'oidc_artifacts'];

/** All rows of ours but those that change by looking, to tell that nothing has happened. */
export async function readEverything(app: TestApp): Promise<Record<string, string[]>> {
  const { db } = app.runtime.deps;
  const { rows: tables } = await db.raw(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  );
  const all: Record<string, string[]> = {};
  for (const { name } of tables as { name: string }[]) {
    if (RESTLESS.includes(name)) continue;
    const { rows } = await db.raw(`SELECT t::text AS whole FROM ${name} t ORDER BY 1`);
    all[name] = rows.map(({ whole }: { whole: string }) => whole);
  }
  return all;
}

export { forgetThrottles };
