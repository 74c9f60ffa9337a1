import { v7 as uuid } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OWASP_COST } from '../../src/crypto/password-hash.ts';
import { hashNewPassword } from '../../src/password/set-password.ts';
import { PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor, findForm } from '../support/visitor.ts';

/** How often each kind of address is tried. */
const TRIES = 200;
/** Tries before those that count: the first of a kind load code and prepare statements. */
const WARM_UP = 20;

let app: TestApp;
let mailbox: Mailbox;
let clientId: string;

const known = (index: number) => `known${index}@example.com`;
const unknown = (index: number) => `nobody${index}@example.com`;

beforeAll(async () => {
  mailbox = await startMailbox();
  const env = {
    SMTP_URL: mailbox.url,
    EMAIL_SIGN_IN: 'true',
    SIGN_UP: 'open',
    SIGN_UP_MIN_SECONDS: '0',
    TRUST_PROXY: '1',
    LOG_LEVEL: 'silent',
  };
  app = await startApp(env, undefined, OWASP_COST);
  clientId = (await app.createClient()).client.id;
  const { db } = app.runtime.deps;
  const { hash } = await hashNewPassword(app.hasher, PASSWORD);
  const users = Array.from({ length: TRIES + WARM_UP }, (_, index) => ({
    id: uuid(),
    email: known(index),
    email_verified_at: db.fn.now(),
  }));
  await db('users').insert(users);
  await db('passwords').insert(users.map(({ id }) => ({ user_id: id, hash })));
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

/** Forms that take an address from anybody, and what else they are sent. */
const FORMS: [form: string, page: string, fieldsOf: (address: string) => Record<string, string>][] =
  [
    ['login', '', (identifier) => ({ identifier, password: 'certainly-not-the-password' })],
    ['reset-password', '/reset-password', (identifier) => ({ identifier })],
    ['email-code', '/code', (identifier) => ({ identifier })],
    ['register', '/register', (email) => ({ email, new_password: 'amber-lantern-drifts-73' })],
  ];

describe('security 9: how long an answer takes says nothing about accounts', () => {
  test.each(FORMS)('security 9: %s', { timeout: 300_000 }, async (form, path, fieldsOf) => {
    const visitor = createVisitor();
    const start = await visitor.open(authorizationUrl(app, clientId));
    const { action, hidden } = findForm(await visitor.open(`${start.url}${path}`), `/${form}`);
    let sent = 0;
    const time = async (address: string): Promise<number> => {
      sent += 1;
      // Somebody else each time, as far as throttling is concerned.
      const headers = { 'x-forwarded-for': `198.51.${sent >> 8}.${sent & 255}` };
      const body = new URLSearchParams({ ...hidden, ...fieldsOf(address) });
      const started = performance.now();
      const answer = await visitor.request(action, { method: 'POST', body, headers });
      const ms = performance.now() - started;
      expect(answer.status).toBe(303);
      await answer.arrayBuffer();
      return ms;
    };
    const times = { known: [] as number[], unknown: [] as number[] };
    for (let index = 0; index < TRIES + WARM_UP; index += 1) {
      // Either comes first as often as the other: a mail that is sent slows what follows.
      const pair = index % 2 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const);
      for (const kind of pair) {
        const ms = await time(kind === 'known' ? known(index) : unknown(index));
        if (index >= WARM_UP) times[kind].push(ms);
      }
    }
    const ratio = median(times.unknown) / median(times.known);
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.4);
    // Of two tries one after the other, which share what else the machine does, the unknown is the
    // faster as often as not. The standard error is 0.035. Without the hash for nobody it is 1;
    // without the code and the mail for nobody, which take two milliseconds, 0.76.
    const faster = times.unknown.filter((ms, index) => ms < Number(times.known[index]));
    const share = faster.length / TRIES;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.7);
  });
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
