import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { postAs } from '../support/authorization.ts';
import { runWholeFlow, type WholeFlow } from '../support/whole-flow.ts';

let app: TestApp;
let flow: WholeFlow;

beforeAll(async () => {
  app = await startApp({ LOG_LEVEL: 'trace', TRUST_PROXY: '1' });
  flow = await runWholeFlow(app);
});
afterAll(() => app.stop());

type Line = { level: number; time: string; msg: string; requestId?: string; route?: string };
const lines = () => app.logs.map((line) => JSON.parse(line) as Line);

/** A value in every form in which it could have slipped into a log. */
function formsOf(value: string): string[] {
  const hash = createHash('sha256').update(value).digest();
  const forms = [
    value,
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
    Buffer.from(value).toString('base64url'),
    Buffer.from(value).toString('hex'),
    hash.toString('hex'),
    hash.toString('base64').replace(/=+$/, ''),
    hash.toString('base64url'),
  ];
  return [...new Set(forms)];
}

test('security 5: no password, code, token, cookie, secret or link is in any log line, at any level', () => {
  const text = app.logs.join('');
  for (const [name, value] of Object.entries(flow.secrets)) {
    expect(value.length, name).toBeGreaterThan(15);
    for (const form of formsOf(value))
      expect(text.includes(form), `${name} as ${form}`).toBe(false);
  }
  expect(text).not.toMatch(/\$argon2|hmac-sha256\.|"d":|Bearer |Basic /);
});

test('every request is one JSON line with its id, method, route, status and time taken', () => {
  const requests = lines().filter(({ msg }) => msg === 'request');
  expect(requests.length).toBeGreaterThan(20);
  for (const line of requests) {
    expect(line).toEqual({
      level: 30,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      requestId: expect.stringMatching(/^[\w-]{8,64}$/),
      method: expect.stringMatching(/^(GET|POST)$/),
      route: expect.stringMatching(/^\/[a-z.:/-]*$/),
      status: expect.any(Number),
      ms: expect.any(Number),
      msg: 'request',
    });
  }
  expect(requests.map(({ route }) => route)).toEqual(
    expect.arrayContaining([
      '/token',
      '/authorize',
      '/authorize/:id',
      '/interaction/:id',
      '/setup/:id',
    ]),
  );
});

test('what is refused is logged with its cause, under the id of its request', async () => {
  const response = await fetch(`${app.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'nobody' }),
  });
  const id = response.headers.get('x-request-id');
  const own = lines().filter(({ requestId }) => requestId === id);
  expect(own).toContainEqual(
    expect.objectContaining({ msg: 'refused', oauthError: 'invalid_client' }),
  );
});

test('what nobody expected is an error in the log, and a reference in the answer', async () => {
  const { db } = app.runtime.deps;
  await db.raw('ALTER TABLE oidc_artifacts RENAME TO elsewhere');
  const answers = [
    await postAs(`${app.issuer}/introspect`, flow.web, { token: flow.secrets.accessToken }),
    await fetch(`${app.issuer}/interaction/${flow.secrets.interaction}`),
  ];
  await db.raw('ALTER TABLE elsewhere RENAME TO oidc_artifacts');
  for (const answer of answers) {
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/oidc_artifacts|does not exist|at .*\.(js|ts):/);
    const requestId = answer.headers.get('x-request-id');
    expect(lines()).toContainEqual(
      expect.objectContaining({
        level: 50,
        requestId,
        err: expect.objectContaining({ code: '42P01' }),
      }),
    );
  }
});

test.each([
  ['a proxy', '1', 'from-the-proxy-1', true],
  ['a proxy, if it looks like none', '1', 'x', false],
  ['a proxy, if it could forge a log line', '1', 'abcdefgh"}', false],
  ['a stranger', '0', 'from-a-stranger-1', false],
])('the request id of %s', async (_, TRUST_PROXY, sent, taken) => {
  const target = TRUST_PROXY === '1' ? app : await startApp({ TRUST_PROXY });
  const url = `${target.issuer}/jwks`;
  const response = await fetch(url, { headers: { 'x-request-id': sent } });
  const id = response.headers.get('x-request-id');
  expect(id === sent).toBe(taken);
  expect(id).toMatch(/^[\w-]{8,64}$/);
  if (target !== app) await target.stop();
});
