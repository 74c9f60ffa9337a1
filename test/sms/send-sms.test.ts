import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { createTexter } from '../../src/sms/sms.ts';
import { createSmsWebhook } from '../../src/sms/webhook.ts';
import { startApp, type TestApp } from '../support/app.ts';

const KEY = Buffer.from('a key of the gateway that is long enough');
const SECRET = `whsec_${KEY.toString('base64')}`;
/** Milliseconds; the queue looks for due jobs every five seconds at least. */
const SOON = { timeout: 15_000 };

type Received = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

let gateway: Server;
let received: Received[];
/** How the gateway answers, for the test at hand. */
let answer: { status: number; location?: string };
let app: TestApp;

beforeAll(async () => {
  gateway = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    const { method = '', url = '', headers } = req;
    received.push({ method, path: url, headers, body });
    const { status, location } = answer;
    res.writeHead(status, location === undefined ? {} : { location }).end('an answer');
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const { port } = gateway.address() as AddressInfo;
  app = await startApp({
    SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/sms?account=7`,
    SMS_WEBHOOK_SECRET: SECRET,
    // What guards requests to addresses that clients supply has no say here.
    OUTBOUND_ALLOW: '10.0.0.0/8',
    PRODUCT_NAME: 'Harbour',
  });
});
afterAll(async () => {
  await app.stop();
  gateway.close();
});
beforeEach(() => {
  received = [];
  answer = { status: 204 };
});

const db = () => app.runtime.deps.db;
const refusals = () => db()('audit_events').where({ type: 'sms.refused' }).orderBy('id');
const jobs = async () => (await db().raw('SELECT * FROM graphile_worker._private_jobs')).rows;

function send(to: string, locale = 'en', code = '12345678'): Promise<void> {
  const texter = createTexter({ enabled: true, boxKeys: app.runtime.keyring.box });
  return transaction(db(), (trx) =>
    texter.queue(trx, { to, template: 'code', vars: { code }, locale }),
  );
}

/** As https://www.standardwebhooks.com says a receiver does it, over the exact bytes received. */
function isSigned({ headers, body }: Received): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': sent } = headers;
  const mac = createHmac('sha256', KEY).update(`${id}.${timestamp}.${body}`).digest('base64');
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  return String(sent).split(' ').includes(`v1,${mac}`) && age < 300;
}

describe('a text message', () => {
  test('is posted to the gateway as JSON, signed, once', async () => {
    await send('+351912345678');
    await expect.poll(() => received.length, SOON).toBe(1);
    const [request] = received as [Received];
    expect(request).toMatchObject({ method: 'POST', path: '/sms?account=7' });
    expect(request.headers['content-type']).toBe('application/json');
    expect(request.headers['webhook-id']).toMatch(/^sms_[0-9a-f]{32}$/);
    expect(isSigned(request)).toBe(true);
    expect(isSigned({ ...request, body: request.body.replace('912', '913') })).toBe(false);
    const text = '12345678 is your code for Harbour. Never tell it to anybody.';
    expect(JSON.parse(request.body)).toEqual({ to: '+351912345678', text });
    await expect.poll(jobs).toEqual([]);
    expect(received).toHaveLength(1);
  });

  test.each([
    ['de-AT', 'ist Ihr Code für Harbour'],
    ['zu', 'is your code for Harbour'],
  ])('is written in the language of the person: %s', async (locale, words) => {
    await send('+351912345678', locale);
    await expect.poll(() => received[0]?.body, SOON).toContain(words);
    await expect.poll(jobs).toEqual([]);
  });

  test('security 5: neither its code nor its number is readable in the queue or the log', async () => {
    answer = { status: 500 };
    await send('+351900000001', 'en', '87654321');
    await expect.poll(async () => (await jobs())[0]?.last_error, SOON).toContain('500');
    for (const secret of ['87654321', '351900000001']) {
      expect(JSON.stringify(await jobs())).not.toContain(secret);
      expect(app.logs.join('\n')).not.toContain(secret);
    }
    await db().raw('DELETE FROM graphile_worker._private_jobs');
  });
});

describe('a gateway', () => {
  test.each([400, 404, 410, 422])(
    'that refuses a message with %i is not asked again, and it is reported',
    async (status) => {
      answer = { status };
      const before = (await refusals()).length;
      await send('+351912345678');
      await expect.poll(async () => (await refusals()).length, SOON).toBe(before + 1);
      expect((await refusals()).at(-1)).toMatchObject({
        actor: 'system',
        data: { template: 'code', status },
      });
      await expect.poll(jobs).toEqual([]);
      expect(received).toHaveLength(1);
    },
  );

  test.each([
    { status: 408 },
    { status: 429 },
    { status: 503 },
    { status: 302, location: '/elsewhere' },
  ])('that answers with $status is tried again, with the same id', async (failure) => {
    answer = failure;
    const before = (await refusals()).length;
    await send('+351912345678');
    await expect.poll(async () => (await jobs())[0]?.last_error, SOON).toBeTruthy();
    answer = { status: 200 };
    await db().raw(`WITH due AS (UPDATE graphile_worker._private_jobs SET run_at = now() RETURNING 1)
      SELECT pg_notify('jobs:insert', '{"count":1}') FROM due`);
    await expect.poll(() => received.length, SOON).toBe(2);
    const [first, second] = received as [Received, Received];
    expect(second.path).toBe(first.path);
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(isSigned(second)).toBe(true);
    await expect.poll(jobs).toEqual([]);
    expect(await refusals()).toHaveLength(before);
  });
});

test('a secret that is no Standard Webhooks key is used as it is', async () => {
  const { port } = gateway.address() as AddressInfo;
  const deliver = createSmsWebhook({
    url: `http://127.0.0.1:${port}/`,
    secret: KEY.toString(),
    fetch,
    now: () => new Date(),
  });
  await deliver({ id: 'sms_1', to: '+1', text: 'é' });
  expect(received.map(isSigned)).toEqual([true]);
});
