import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OWASP_COST } from '../../src/crypto/password-hash.ts';
import { assignApi, createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs } from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

const API = 'https://api.example.com';
const FLOOD = 24;

let app: TestApp;
let robot: Credentials;

beforeAll(async () => {
  app = await startApp(
    { PASSWORD_HASH_CONCURRENCY: '1', PASSWORD_HASH_QUEUE: '3' },
    undefined,
    OWASP_COST,
  );
  await app.createUser();
  await app.createClient({ id: 'own' });
  const machine = await app.createClient({ kind: 'machine' });
  await createApi(app, API, ['read']);
  await assignApi(app, machine.client, API);
  robot = machine;
});
afterAll(() => app.stop());

async function tokenTimes(count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const started = performance.now();
    const response = await postAs(`${app.issuer}/token`, robot, {
      grant_type: 'client_credentials',
      resource: API,
      scope: 'read',
    });
    expect(response.status).toBe(200);
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b);
}

describe('security 27: a flood of sign-ins', () => {
  test('security 27: is shed with 503 and Retry-After, while tokens are still issued fast', async () => {
    const quiet = await tokenTimes(15);
    const forms = await Promise.all(
      Array.from({ length: FLOOD }, async (_, i) => {
        const visitor = createVisitor();
        const page = await visitor.open(authorizationUrl(app, 'own'));
        const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
        const fields = { csrf, identifier: `nobody${i}@example.com`, password: 'a-wrong-password' };
        return () =>
          visitor.request(`${page.url}/login`, {
            method: 'POST',
            body: new URLSearchParams(fields),
          });
      }),
    );
    const flood = Promise.all(forms.map((send) => send()));
    const busy = await tokenTimes(15);
    const answers = await flood;

    const statuses = answers.map(({ status }) => status);
    expect(statuses.every((status) => status === 303 || status === 503)).toBe(true);
    expect(statuses.filter((status) => status === 303).length).toBeGreaterThanOrEqual(4);
    const shed = answers.filter(({ status }) => status === 503);
    expect(shed.length).toBeGreaterThan(0);
    for (const response of shed) {
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      const html = await response.text();
      expect(html).toContain('data-page="error"');
    }
    // One password takes some 60 ms of a core; waiting for the queue would take seconds.
    const median = (times: number[]): number => times[Math.floor(times.length / 2)] as number;
    expect(median(busy)).toBeLessThan(Math.max(median(quiet) * 20, 250));
  });

  test('security 27: a try that was shed is not counted against anybody', async () => {
    const { db } = app.runtime.deps;
    const rows = await db('throttles').select('failures');
    const failed = await db('audit_events').where({ type: 'sign_in.failed' }).count();
    const counted = rows.reduce((sum, { failures }) => sum + failures, 0);
    // Each failure counts once for its account and once for the address they all share.
    expect(counted).toBe(Number(failed[0]?.count) * 2);
  });

  test('security 27: afterwards people sign in as before', async () => {
    const page = await createVisitor().signIn(authorizationUrl(app, 'own'), 'http://127.0.0.1:9/');
    expect(pageName(page)).toBeUndefined();
    expect(page.url).toContain('code=');
  });
});
