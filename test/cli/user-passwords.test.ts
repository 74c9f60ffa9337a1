import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { issueCode } from '../../src/one-time-codes/issue-code.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, type Page, pageName } from '../support/visitor.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

/** Made of `violet-kettle-orbits-42` by passlib. */
const BCRYPT = '$2b$06$r15pKsAw5fr6VnieW0hXDe33nTR/ERMJWauO9iwTO/roXpQJycl1q';
const TEMPORARY = 'walnut-harbor-thimble-77';

let app: TestApp;
let on: ReturnType<typeof plintoOn>;
let signInUrl: string;
let userId: string;

beforeAll(async () => {
  app = await startApp();
  on = plintoOn(app.database, { ISSUER: app.issuer });
  const { client } = await app.createClient();
  signInUrl = authorizationUrl(app, client.id);
  ({ id: userId } = await app.createUser({ password: 'something else at first' }));
});
afterAll(() => app.stop());

const set = (args: string[], input: string) => on(['user', 'set-password', ...args], input);
const signIn = (password: string): Promise<Page> =>
  createVisitor().signIn(signInUrl, CALLBACK, { password });
const stored = () =>
  app.runtime.deps.db('passwords').where({ user_id: userId }).first('hash', 'must_change');

test('a hash of another system is taken over, and its password signs in', async () => {
  const done = await jsonOf(set(['ada@example.com', '--hash-stdin', '--json'], `${BCRYPT}\n`));
  expect(done).toMatchObject({ id: userId });
  expect(await stored()).toEqual({ hash: BCRYPT, must_change: false });
  expect((await signIn(PASSWORD)).url).toContain('code=');
});

test('a temporary password only leads to choosing another', async () => {
  const done = await set(['ada@example.com', '--password-stdin', '--temporary'], TEMPORARY);
  expect(done).toMatchObject({
    code: 0,
    stdout: 'Set a temporary password of ada@example.com, who is signed out everywhere.\n',
  });
  expect(pageName(await signIn(TEMPORARY))).toBe('new-password');
  const { db } = app.runtime.deps;
  const events = db('audit_events').where({ user_id: userId, actor: ACTOR, type: 'password.set' });
  expect((await events).length).toBeGreaterThan(0);
});

test('a hash can be temporary too, and is gone with the next password that is set', async () => {
  await jsonOf(set(['ada@example.com', '--hash-stdin', '--temporary', '--json'], BCRYPT));
  expect(pageName(await signIn(PASSWORD))).toBe('new-password');
  await jsonOf(set(['ada@example.com', '--password-stdin', '--json'], TEMPORARY));
  expect(await stored()).toMatchObject({ must_change: false });
  expect((await signIn(TEMPORARY)).url).toContain('code=');
});

test('links that were mailed before set no other password', async () => {
  const { deps, keyring } = app.runtime;
  const tools = { keys: keyring.codes, randomBytes: deps.randomBytes };
  const { token } = await transaction(deps.db, (trx) =>
    issueCode(trx, tools, { purpose: 'reset-password', userId, address: 'ada@example.com' }),
  );
  const link = `${app.issuer}/reset-password/${token}`;
  expect(pageName(await createVisitor().open(link))).toBe('reset-password-new');
  await jsonOf(set(['ada@example.com', '--password-stdin', '--json'], TEMPORARY));
  expect(pageName(await createVisitor().open(link))).toBe('error');
});

describe('a hash is refused', () => {
  test.each([
    ['that is none', '', 'standard input holds no hash'],
    ['that is a password', PASSWORD, 'no hash that we know'],
    ['of MD5', '5f4dcc3b5aa765d61d8327deb882cf99', 'no hash that we know'],
    ['that is cut off', BCRYPT.slice(0, -1), 'not well-formed'],
    ['that costs too much', BCRYPT.replace('$06$', '$31$'), /takes too much.*reset-password/],
  ])('%s', async (_, hash, says) => {
    const before = await stored();
    await expectFailure(set(['ada@example.com', '--hash-stdin'], hash), says);
    expect(await stored()).toEqual(before);
  });

  test('together with a password', async () => {
    const both = set(['ada@example.com', '--hash-stdin', '--password-stdin'], BCRYPT);
    await expectFailure(both, 'cannot be used with', 2);
  });
});
