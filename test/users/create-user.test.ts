import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { type CreateUserInput, createUser } from '../../src/users/create-user.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor } from '../support/visitor.ts';

let app: TestApp;
let clientId: string;

beforeAll(async () => {
  app = await startApp();
  clientId = (await app.createClient()).client.id;
});
afterAll(() => app.stop());

function create(input: Partial<CreateUserInput>) {
  return transaction(app.runtime.deps.db, (trx) =>
    createUser(trx, SYSTEM, {
      emailVerified: false,
      administrator: false,
      profile: {},
      ...input,
    }),
  );
}

describe('one person for an address', () => {
  test('however many are created at once, and however it is spelled', async () => {
    const spellings = [
      'Race@Example.com',
      'race@EXAMPLE.COM',
      'ｒａｃｅ@example.com',
      'RACE@example.com',
    ];
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => create({ email: spellings[i % 4] as string })),
    );
    expect(results.filter((r) => r.ok)).toHaveLength(1);
    for (const result of results.filter((r) => !r.ok)) {
      expect(result).toEqual({ ok: false, reason: 'email_taken' });
    }
    const { db } = app.runtime.deps;
    expect(await db('users').whereRaw("lower(email) = 'race@example.com'")).toHaveLength(1);
    const [user] = results.filter((r) => r.ok).map((r) => r.user);
    const events = await db('audit_events').where({ type: 'user.created', user_id: user?.id });
    expect(events).toHaveLength(1);
  });

  test('and for a username', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => create({ username: i % 2 ? 'Racer' : 'racer' })),
    );
    expect(results.filter((r) => r.ok)).toHaveLength(1);
    expect(results.find((r) => !r.ok)).toEqual({ ok: false, reason: 'username_taken' });
  });

  test('who is told which of the two is taken', async () => {
    await create({ email: 'both@example.com', username: 'both' });
    const taken = async (input: Partial<CreateUserInput>) => create(input);
    expect(await taken({ email: 'both@example.com', username: 'new' })).toMatchObject({
      reason: 'email_taken',
    });
    expect(await taken({ email: 'new@example.com', username: 'BOTH' })).toMatchObject({
      reason: 'username_taken',
    });
  });
});

test.each([
  ['identifier_missing', {}],
  ['identifier_missing', { email: '', username: '' }],
  ['email_invalid', { email: 'a@b,c@d' }],
  ['username_invalid', { username: 'ada@example.com' }],
])('is refused as %s: %j', async (reason, input) => {
  expect(await create(input)).toEqual({ ok: false, reason });
});

describe('a person signs in', () => {
  beforeAll(async () => {
    await app.createUser({ email: 'Ada@BÜCHER.example', username: 'Countess' });
    await app.createUser({ email: undefined, username: 'nomail' });
  });

  test.each([
    'ada@xn--bcher-kva.example',
    'ADA@bücher.example',
    ' ada@BÜCHER.example ',
    'ａｄａ@bücher.example',
    'countess',
    'COUNTESS',
    'Ｃountess',
    'nomail',
  ])('as %j', async (identifier) => {
    const page = await createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, {
      identifier,
    });
    expect(page.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test.each([
    'ada@bucher.example',
    'count',
    'countess@bücher.example',
    "' OR 1=1 --",
    'count%',
    '_ountess',
  ])('but not as %j', async (identifier) => {
    const page = await createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, {
      identifier,
    });
    expect(page.html).toContain('role="alert"');
  });
});
