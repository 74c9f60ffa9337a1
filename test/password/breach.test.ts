import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { createPasswordRules } from '../../src/password/password-rules.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { startApp } from '../support/app.ts';
import { alertText, createVisitor, pageName } from '../support/visitor.ts';

const BREACHED = 'mossy turnip lantern 9';
const FRESH = 'gravel orbit mandolin 3';
const digestOf = (password: string) =>
  createHash('sha1').update(password).digest('hex').toUpperCase();
const PREFIX = digestOf(BREACHED).slice(0, 5);
const SUFFIX = digestOf(BREACHED).slice(5);
const PADDING = `${'0'.repeat(35)}:0\r\n`;

type Answer = (response: ServerResponse) => void;

const asked: IncomingMessage[] = [];
let answer: Answer;
const server = createServer((request, response) => {
  asked.push(request);
  answer(response);
});
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
  answer = lists(`${SUFFIX}:17`);
});

const lists =
  (...lines: string[]): Answer =>
  (response) =>
    response.end(PADDING + lines.join('\r\n'));

function rules(breachCheckUrl: string | undefined, allow = ['127.0.0.0/8']) {
  const logs: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => void logs.push(line) });
  const deps = { fetch: createGuardedFetch(allow), log };
  const { check } = createPasswordRules({
    deps,
    productName: 'Plinto',
    breachCheckUrl,
    mfaPolicy: 'optional',
  });
  return { logs, check: (password: string) => check(password, {}) };
}

describe('a password that a breach is known to have', () => {
  test('is refused; the service learns five hex digits and is asked to pad its answer', async () => {
    expect(await rules(url).check(BREACHED)).toBe('password_breached');
    expect(asked.map(({ url, method }) => `${method} ${url}`)).toEqual([`GET /range/${PREFIX}`]);
    expect(asked[0]?.headers['add-padding']).toBe('true');
    expect(JSON.stringify(asked[0]?.rawHeaders)).not.toContain(SUFFIX);
  });

  test('is refused however the service writes it, and its address', async () => {
    answer = lists('FF', `${SUFFIX.toLowerCase()}:1`, 'EE:2');
    expect(await rules(url.slice(0, -1)).check(BREACHED)).toBe('password_breached');
    expect(asked[0]?.url).toBe(`/range/${PREFIX}`);
  });

  test('is refused in whatever form its characters were typed', async () => {
    expect(await rules(url).check('ｍｏｓｓｙ turnip lantern 9')).toBe('password_breached');
  });

  test('passes where nobody is to be asked', async () => {
    expect(await rules(undefined).check(BREACHED)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});

test('another password passes, and one that is only padding', async () => {
  expect(await rules(url).check(FRESH)).toBeUndefined();
  answer = lists(`${SUFFIX}:0`);
  expect(await rules(url).check(BREACHED)).toBeUndefined();
  expect(asked).toHaveLength(2);
});

test('a password that the other rules refuse is not looked up', async () => {
  expect(await rules(url).check('too short')).toBe('password_too_short');
  expect(await rules(url).check('passwordpassword')).toBe('password_common');
  expect(asked).toEqual([]);
});

describe('a service that gives no usable answer lets the password pass, and is complained about', () => {
  test.each<[string, Answer]>([
    ['never answers', () => {}],
    ['stops in the middle', (response) => void response.write(PADDING)],
    ['hangs up', (response) => response.destroy()],
    ['fails', (response) => response.writeHead(500).end(`${SUFFIX}:17`)],
    ['redirects', (response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['throttles', (response) => response.writeHead(429).end()],
  ])('as it %s', async (_, behave) => {
    answer = behave;
    const { logs, check } = rules(url);
    expect(await check(BREACHED)).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(logs).toHaveLength(1);
    expect(JSON.parse(logs[0] ?? '')).toMatchObject({
      level: 40,
      reason: expect.stringMatching(/\w/),
      msg: 'the password breach check gave no answer',
    });
    expect(logs[0]?.toUpperCase()).not.toContain(PREFIX);
  });

  test('as nothing listens there, or at an address that is refused', async () => {
    for (const { logs, check } of [rules('http://127.0.0.1:9/range/'), rules(url, [])]) {
      expect(await check(BREACHED)).toBeUndefined();
      expect(logs.join()).toContain('gave no answer');
      expect(logs.join().toUpperCase()).not.toContain(PREFIX);
    }
  });

  test.each(['<html>', ':::', '', `${SUFFIX}:many`])('as it says %j', async (text) => {
    answer = (response) => response.end(text);
    expect(await rules(url).check(BREACHED)).toBeUndefined();
  });
});

test('the setup page says so, and takes another', async () => {
  const app = await startApp({ PASSWORD_BREACH_CHECK_URL: url });
  try {
    const { deps } = app.runtime;
    const link = await transaction(deps.db, (trx) =>
      createSetupLink(trx, deps, SYSTEM, app.issuer),
    );
    const visitor = createVisitor();
    const fill = async (new_password: string) =>
      visitor.submit(await visitor.open(link), '', {
        email: 'grace@example.com',
        name: 'Grace',
        new_password,
      });
    const refused = await fill(BREACHED);
    expect(refused.status).toBe(422);
    expect(alertText(refused)).toContain('known from a data breach');
    expect(pageName(await fill(FRESH))).toBe('setup-done');
  } finally {
    await app.stop();
  }
});
