import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../support/authorization.ts';
import { type ServerProcess, startServerProcess, statusOf } from '../support/server-process.ts';
import { createVisitor } from '../support/visitor.ts';

/** Milliseconds within which a process that drains has to be gone. */
const LIMIT = 20_000;

let app: TestApp;
let client: Credentials;
let machine: Credentials;
let processes: ServerProcess[];

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  client = await app.createClient();
  machine = await app.createClient({ kind: 'machine' });
  const env = { ISSUER: app.issuer, DATABASE_URL: app.database.url };
  processes = await Promise.all(Array.from({ length: 3 }, () => startServerProcess(env)));
});
afterAll(async () => {
  await Promise.all(processes.map((server) => server.kill()));
  await app.stop();
});

test('security 30: what was answered with 200 is there after the process was killed in that moment', async () => {
  const [server] = processes as [ServerProcess];
  const scope = 'openid offline_access';
  const url = authorizationUrl(app, client.client.id, { scope });
  const code = String(callbackParams((await createVisitor().signIn(url, CALLBACK)).url).code);
  const answer = await redeem({ issuer: server.url }, client, code);
  expect(answer.status).toBe(200);
  const gone = server.kill('SIGKILL');
  const tokens = (await answer.json()) as Record<string, string>;
  expect(await gone).toEqual({ code: null, signal: 'SIGKILL' });

  const authorization = `Bearer ${tokens.access_token}`;
  expect((await fetch(`${app.issuer}/userinfo`, { headers: { authorization } })).status).toBe(200);
  const fields = { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) };
  expect((await postAs(`${app.issuer}/token`, client, fields)).status).toBe(200);
  expect((await redeem(app, client, code)).status).toBe(400);
});

test.concurrent.each([
  ['SIGTERM', 1],
  ['SIGINT', 2],
] as const)('%s fails no request of a balancer that looks at readiness', async (signal, n) => {
  const server = processes[n] as ServerProcess;
  let ready = true;
  const answered: number[] = [];
  const send = async (headers: Record<string, string>) => {
    while (ready) {
      const basic = Buffer.from(`${machine.client.id}:${machine.secret}`).toString('base64');
      const response = await fetch(`${server.url}/token`, {
        method: 'POST',
        headers: { ...headers, authorization: `Basic ${basic}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
      await response.arrayBuffer();
      answered.push(response.status);
      await setImmediate();
    }
  };
  const load = Promise.all([send({}), send({}), send({ connection: 'close' })]);
  await expect.poll(() => answered.length).toBeGreaterThan(20);

  const ended = server.kill(signal);
  const began = performance.now();
  await expect.poll(() => statusOf(`${server.management}/health/ready`)).toBe(503);
  expect(await statusOf(`${server.management}/health/live`)).toBe(200);
  const before = answered.length;
  await expect.poll(() => answered.length).toBeGreaterThan(before + 20);
  ready = false;
  await load;
  expect(new Set(answered)).toEqual(new Set([200]));
  expect(await ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - began).toBeLessThan(LIMIT);
  const lines = server.output().trim().split('\n');
  for (const line of lines) expect(JSON.parse(line).level).toBeLessThan(50);
});
