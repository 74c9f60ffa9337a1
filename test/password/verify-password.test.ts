import argon2 from 'argon2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OWASP_COST } from '../../src/crypto/password-hash.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, type Page } from '../support/visitor.ts';

let app: TestApp;
let clientId: string;
let ada: User;

beforeAll(async () => {
  app = await startApp({}, undefined, OWASP_COST);
  ada = await app.createUser();
  clientId = (await app.createClient()).client.id;
});
afterAll(() => app.stop());

const passwords = () => app.runtime.deps.db('passwords').where({ user_id: ada.id });

async function storedHash(): Promise<string> {
  return (await passwords().first('hash')).hash;
}

function signIn(password: string): Promise<Page> {
  return createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, { password });
}

async function accepts(password: string): Promise<boolean> {
  return (await signIn(password)).url.startsWith(`${CALLBACK}?code=`);
}

test('a password is stored as argon2id with the parameters OWASP asks for', async () => {
  expect(await storedHash()).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

describe('a stored hash of other parameters', () => {
  test.each([
    ['weaker', { memoryCost: 4096, timeCost: 1 }],
    ['stronger', { memoryCost: 32_768, timeCost: 3 }],
    ['of another variant', { type: argon2.argon2i as 1, memoryCost: 19_456, timeCost: 2 }],
  ])('%s, is replaced at the next sign-in', async (_, options) => {
    const old = await argon2.hash(PASSWORD, { parallelism: 1, ...options });
    await passwords().update({ hash: old });
    expect(await accepts('not-the-password-at-all')).toBe(false);
    expect(await storedHash()).toBe(old);
    expect(await accepts(PASSWORD)).toBe(true);
    const renewed = await storedHash();
    expect(renewed).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await accepts(PASSWORD)).toBe(true);
    expect(await storedHash()).toBe(renewed);
  });
});

describe('security 27: a stored hash that', () => {
  const salt = 'c29tZXNhbHRzb21lc2FsdA';
  const tag = 'RdescudvJCsgt3ub+b+dWRWJTmaaJObG';

  test.each([
    ['asks for a gigabyte', `$argon2id$v=19$m=1048576,t=2,p=1$${salt}$${tag}`],
    ['asks for a thousand passes', `$argon2id$v=19$m=4096,t=1000,p=1$${salt}$${tag}`],
    ['asks for a thousand lanes', `$argon2id$v=19$m=131072,t=1,p=1000$${salt}$${tag}`],
    ['names no parameters', `$argon2id$v=19$${salt}$${tag}`],
    ['is of an unknown scheme', '$6$rounds=5000$saltsalt$hash'],
    ['is nothing', ''],
  ])('%s is a wrong password, at no greater cost', async (_, hash) => {
    const kept = await storedHash();
    await passwords().update({ hash });
    const page = await signIn(PASSWORD);
    expect(page.status).toBe(200);
    expect(alertText(page)).toContain('Wrong');
    await passwords().update({ hash: kept });
  });
});

describe('the same characters', () => {
  test('typed composed or decomposed are the same password', async () => {
    const { id } = await app.createUser({
      email: 'eve@example.com',
      password: 'Gr\u00fcner-M\u00f6wen-\u00c4rger-7',
    });
    expect(id).toBeDefined();
    const page = await createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, {
      identifier: 'eve@example.com',
      password: 'Gru\u0308ner-Mo\u0308wen-A\u0308rger-7',
    });
    expect(page.url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  test('with a space around them are another', async () => {
    expect(await accepts(` ${PASSWORD}`)).toBe(false);
    expect(await accepts(`${PASSWORD} `)).toBe(false);
    expect(await accepts(PASSWORD.toUpperCase())).toBe(false);
    expect(await accepts(PASSWORD.slice(0, -1))).toBe(false);
    expect(await accepts(PASSWORD)).toBe(true);
  });

  test('are compared to the last, however long the password is', async () => {
    const long = Array.from({ length: 128 }, (_, i) => String.fromCodePoint(0x3400 + i * 7)).join(
      '',
    );
    await app.createUser({ email: 'long@example.com', password: long });
    const as = (password: string) =>
      createVisitor().signIn(authorizationUrl(app, clientId), CALLBACK, {
        identifier: 'long@example.com',
        password,
      });
    expect((await as(`${long.slice(0, -1)}x`)).html).toContain('role="alert"');
    expect((await as(long)).url.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });
});
