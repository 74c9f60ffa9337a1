import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadJwks } from '../../src/oidc/keys/keys.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, callbackParams, postAs, redeem } from '../support/authorization.ts';
import { runWholeFlow, type Secrets, type WholeFlow } from '../support/whole-flow.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
/** Values this short are no bearer values of ours. */
const MIN_LENGTH = 17;
/** Candidates presented at the same time. */
const PARALLEL = 8;

let app: TestApp;
let flow: WholeFlow;
let dump: { values: string[]; text: string };

beforeAll(async () => {
  app = await startApp({ LOG_LEVEL: 'silent' });
  flow = await runWholeFlow(app);
  dump = await dumpDatabase();
});
afterAll(() => app.stop());

/** Every table of every schema: all strings in it one by one, and all of it as PostgreSQL prints it. */
async function dumpDatabase(): Promise<{ values: string[]; text: string }> {
  const { db } = app.runtime.deps;
  const { rows: tables } = await db.raw(`SELECT format('%I.%I', schemaname, tablename) AS name
    FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`);
  const values = new Set<string>();
  let text = '';
  for (const { name } of tables) {
    const { rows } = await db.raw(
      `SELECT t.*, t::text AS whole, to_jsonb(t) AS json FROM ${name} t`,
    );
    for (const { whole, ...row } of rows) {
      text += `${whole}\n`;
      collect(row, values);
    }
  }
  return { values: [...values], text };
}

/** All strings in a value, and all strings that bytes can be written as. */
function collect(value: unknown, into: Set<string>): void {
  if (Buffer.isBuffer(value)) {
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const)
      into.add(value.toString(form));
  } else if (typeof value === 'string') {
    into.add(value);
    for (const part of value.split(/[.|$:]/)) into.add(part);
    if (/^(\\x)?([0-9a-f]{2}){16,}$/i.test(value)) {
      collect(Buffer.from(value.replace(/^\\x/, ''), 'hex'), into);
    }
  } else if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    for (const [name, member] of Object.entries(value)) {
      into.add(name);
      collect(member, into);
    }
  }
}

/** A cookie as the server would have signed it, for a thief who has the keys besides. */
function signed(name: string, value: string): string {
  const [key = ''] = app.runtime.keyring.cookies;
  const signature = createHmac('sha1', key).update(`${name}=${value}`).digest('base64url');
  return `${name}=${value}; ${name}.sig=${signature}`;
}

async function error(response: Promise<Response>): Promise<string | undefined> {
  return ((await (await response).json()) as { error?: string }).error;
}

const bearer = (value: string) => ({ authorization: `Bearer ${value}` });

/** Whether a value opens what it would have to be for. Values that no header can carry open nothing. */
const OPENS: Partial<Record<keyof Secrets, (value: string) => Promise<boolean>>> = {
  session: async (value) => {
    const url = authorizationUrl(app, flow.web.client.id, { prompt: 'none' });
    const headers = { cookie: signed('plinto_session', value) };
    const response = await fetch(url, { headers, redirect: 'manual' });
    return 'code' in callbackParams(response.headers.get('location') ?? CALLBACK);
  },
  interaction: async (value) => {
    const url = `${app.issuer}/interaction/${encodeURIComponent(value)}`;
    const headers = { cookie: signed('plinto_interaction', value), accept: 'text/html' };
    return (await (await fetch(url, { headers })).text()).includes('data-page="login"');
  },
  accessToken: async (value) =>
    (await fetch(`${app.issuer}/userinfo`, { headers: bearer(value) })).status === 200,
  refreshToken: async (value) => {
    const asked = await postAs(`${app.issuer}/introspect`, flow.web, { token: value });
    return ((await asked.json()) as { active: boolean }).active;
  },
  // A code with a wrong verifier is refused as such only if it is a code.
  code: async (value) => {
    const response = await redeem(app, flow.web, value);
    return response.status === 200;
  },
  deviceCode: async (value) => {
    const fields = { grant_type: DEVICE_CODE, device_code: value };
    const found = await error(postAs(`${app.issuer}/token`, flow.device, fields));
    return found === 'authorization_pending' || found === 'slow_down';
  },
  clientSecret: async (value) =>
    (await error(redeem(app, { ...flow.web, secret: value }, 'x'))) !== 'invalid_client',
  dynamicSecret: async (value) => {
    const client = { client: { id: flow.dynamicClientId }, secret: value };
    return (await error(redeem(app, client, 'x'))) !== 'invalid_client';
  },
  requestUri: async (value) => {
    const url = new URL(`${app.issuer}/authorize`);
    url.searchParams.set('client_id', flow.web.client.id);
    const prefix = 'urn:ietf:params:oauth:request_uri:';
    url.searchParams.set('request_uri', value.startsWith(prefix) ? value : `${prefix}${value}`);
    return (await fetch(url, { redirect: 'manual' })).status === 303;
  },
  initialAccessToken: async (value) => {
    const headers = { ...bearer(value), 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: '{}' };
    return (await fetch(`${app.issuer}/register`, init)).status !== 401;
  },
  registrationToken: async (value) => {
    const url = `${app.issuer}/register/${flow.dynamicClientId}`;
    return (await fetch(url, { headers: bearer(value) })).status === 200;
  },
  setupToken: async (value) =>
    (await fetch(`${app.issuer}/setup/${encodeURIComponent(value)}`)).status === 200,
};
const KINDS = Object.keys(OPENS) as (keyof typeof OPENS)[];

/** What of a list opens something, and what. */
async function whatOpens(values: string[]): Promise<string[]> {
  const found: string[] = [];
  const queue = values.flatMap((value) => KINDS.map((kind) => [kind, value] as const));
  const work = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [kind, value] = next;
      if (await OPENS[kind]?.(value)) found.push(`${kind}: ${value}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return found;
}

test('a dump holds rows of every kind, and no bearer value, in no form', () => {
  expect(dump.values.length).toBeGreaterThan(200);
  for (const model of [
    'AccessToken',
    'AuthorizationCode',
    'DeviceCode',
    'Interaction',
    'PushedAuthorizationRequest',
    'RefreshToken',
    'Session',
  ]) {
    expect(dump.text.includes(model), model).toBe(true);
  }
  for (const [name, value] of Object.entries(flow.secrets)) {
    const bare = value.replace(/^urn:.*:/, '');
    const bytes = Buffer.from(bare);
    const forms = [bare, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')];
    for (const form of forms) expect(dump.text.includes(form), name).toBe(false);
  }
});

test('a dump holds no private key in clear', async () => {
  const { keys } = await loadJwks(app.runtime.deps.db, app.runtime.keyring.box);
  expect(/"d\\?"+ ?: ?/.test(dump.text)).toBe(false);
  for (const key of keys) {
    for (const member of [key.d, key.p, key.q].filter((m) => m !== undefined)) {
      expect(dump.text.includes(member), key.kid).toBe(false);
    }
  }
});

test('a dump holds passwords as argon2id only, and nothing that SHA-256 of a guess would find', () => {
  expect(dump.text.includes('$argon2id$')).toBe(true);
  const guess = createHash('sha256').update(flow.secrets.password).digest();
  for (const form of ['hex', 'base64url'] as const) {
    expect(dump.text.includes(guess.toString(form))).toBe(false);
  }
});

test('nothing in a dump, in any form, opens anything; the real values do', async () => {
  const printable = dump.values.filter((v) => v.length >= MIN_LENGTH && /^[\x21-\x7e]+$/.test(v));
  expect(printable.length).toBeGreaterThan(100);
  expect(await whatOpens(printable)).toEqual([]);
  for (const kind of KINDS) {
    expect(await OPENS[kind]?.(flow.secrets[kind]), kind).toBe(true);
  }
}, 120_000);
