import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';

const TRIES = 40;

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  await app.createUser({ email: undefined, username: 'nopassword' });
  await app.runtime.deps
    .db('passwords')
    .delete()
    .whereIn(
      'user_id',
      app.runtime.deps.db('users').where({ username: 'nopassword' }).select('id'),
    );
  ({ client } = await app.createClient());
});
afterAll(() => app.stop());

/** One wrong sign-in: everything that comes back, and how long the form took. */
async function fail(identifier: string): Promise<{ seen: unknown; ms: number }> {
  await app.runtime.deps.db('throttles').delete();
  const visitor = createVisitor();
  const page = await visitor.open(authorizationUrl(app, client.id));
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
  const started = performance.now();
  const response = await visitor.request(`${page.url}/login`, {
    method: 'POST',
    body: new URLSearchParams({ csrf, identifier, password: 'certainly-not-the-password' }),
  });
  const ms = performance.now() - started;
  const after = await visitor.open(page.url, CALLBACK);
  const names = [...response.headers.keys()].filter((name) => name !== 'date').sort();
  const html = after.html
    .replaceAll(identifier, 'IDENTIFIER')
    .replace(/interaction\/[\w-]+/g, 'interaction/UID')
    .replace(/(nonce|value)="[\w+/=-]{20,}"/g, '$1=""');
  const same = response.headers.get('location')?.endsWith(new URL(page.url).pathname);
  return { seen: { status: response.status, same, names, html }, ms };
}

describe('security 9: nobody learns who has an account', () => {
  test.each(['nobody@example.com', 'nobody', 'nopassword'])(
    'security 9: %s looks like an account with a wrong password',
    async (identifier) => {
      const known = await fail('ada@example.com');
      const unknown = await fail(identifier);
      expect(unknown.seen).toEqual(known.seen);
    },
  );

  test('security 9: nor by how long the answer takes', async () => {
    const known: number[] = [];
    const unknown: number[] = [];
    for (let i = 0; i < TRIES; i += 1) {
      known.push((await fail('ada@example.com')).ms);
      unknown.push((await fail(`nobody${i}@example.com`)).ms);
    }
    // The hash takes tens of milliseconds: without it the ratio would be about a tenth.
    const ratio = median(unknown) / median(known);
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.4);
  });

  test('security 9: an app, a redirect and a login hint say nothing about accounts', async () => {
    const pages = await Promise.all(
      ['ada@example.com', 'nobody@example.com'].map(async (login_hint) => {
        const page = await createVisitor().open(authorizationUrl(app, client.id, { login_hint }));
        return page.html.replaceAll(login_hint, '').replace(/[\w+/-]{40,}(==)?/g, '');
      }),
    );
    expect(pages[0]?.replace(/nonce="[^"]*"/, '')).toBe(pages[1]?.replace(/nonce="[^"]*"/, ''));
  });
});

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
