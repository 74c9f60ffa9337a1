import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkPassword } from '../../src/password/rules.ts';
import { startApp, type TestApp } from '../support/app.ts';

type Strength = { score: number; problem: string | null; hints: string[] };

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ PRODUCT_NAME: 'Harbour' });
});
afterAll(() => app.stop());

function post(fields: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(`${app.issuer}/password-strength`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { 'Sec-Fetch-Site': 'same-origin', Origin: app.issuer, ...headers },
  });
}

async function rate(new_password: string, words = '', lang = 'en'): Promise<Strength> {
  const response = await post({ new_password, words, lang });
  expect(response.status).toBe(200);
  return (await response.json()) as Strength;
}

const WORDS = 'ada@example.com\nAda Lovelace';

describe('the meter', () => {
  test.each([
    ['', 'password_too_short', 'Too short: 0 of at least 15 characters.'],
    ['mossy', 'password_too_short', 'Too short: 5 of at least 15 characters.'],
    ['aaaaaaaa', 'password_too_short', 'Repeated characters are easy to guess.'],
    ['xk9$Qz!pL2vR', 'password_too_short', 'Too short: 12 of at least 15 characters.'],
    ['x'.repeat(257), 'password_too_long', 'Too long. At most 256 characters.'],
    ['passwordpassword', 'password_common', 'Weak. Repeated patterns'],
    ['qwertyuiopasdfgh', 'password_common', 'Weak.'],
    ['lovelacelovelace', 'password_context', 'Too close to your name'],
    ['harbour harbour 9', 'password_context', 'the name of this service'],
    ['mossy turnip lantern', null, 'Very strong.'],
  ])('says of %j: %s, %s', async (password, problem, says) => {
    const strength = await rate(password, WORDS);
    expect(strength).toMatchObject({ problem });
    expect(strength.hints.join(' ')).toContain(says);
    expect(strength.score).toBeLessThanOrEqual(problem === null ? 4 : 2);
    expect(strength.score).toBeGreaterThanOrEqual(
      problem === null ? 3 : Math.min(password.length, 1),
    );
  });

  test.each([
    'violet-kettle-orbits-42',
    'Zürich-Gießkanne-Ölbaum',
    'Password12345678',
    'ADA@EXAMPLE.COM!!',
    'ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ',
    '🔑🔒🌍🌳🐈🐕🍎🥐🎹🎺🎻🚀🧭🪁',
    '🔑🔒🌍🌳🐈🐕🍎🥐🎹🎺🎻🚀🧭🪁🫖',
    'plain old harbour wall',
    'a'.repeat(300),
  ])('promises nothing that the form refuses, and the other way round: %j', async (password) => {
    const problem = await checkPassword(password, [...WORDS.split('\n'), 'Harbour']);
    const strength = await rate(password, WORDS);
    expect(strength.problem).toBe(problem ?? null);
    expect(strength.score >= 3).toBe(problem === undefined);
  });

  test.each([
    ['de', 'Zu kurz: 5 von mindestens 15 Zeichen.'],
    ['en', 'Too short: 5 of at least 15 characters.'],
    ['../../etc', 'Too short: 5 of at least 15 characters.'],
  ])('speaks the language of the page: %s', async (lang, says) => {
    expect((await rate('mossy', '', lang)).hints.join(' ')).toContain(says);
  });

  test('looks at no more than it has to, and isn’t kept by anybody', async () => {
    const response = await post({ new_password: '🔑'.repeat(3000), words: 'w\n'.repeat(4000) });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({ problem: 'password_too_long' });
  });

  test('security 5: what was typed is in no log', async () => {
    await rate('planted-secret-planted', 'planted-word');
    expect(app.logs.join('')).toContain('/password-strength');
    expect(app.logs.join('')).not.toContain('planted-');
  });

  test.each([
    [403, 'from another site', {}, { 'Sec-Fetch-Site': 'cross-site' }],
    [403, 'from a sibling', {}, { 'Sec-Fetch-Site': 'same-site' }],
    [403, 'from another origin', {}, { 'Sec-Fetch-Site': '', Origin: 'https://evil.example' }],
    [400, 'with a NUL', { new_password: 'a\0b' }, {}],
    [413, 'too large', { new_password: 'x'.repeat(70_000) }, {}],
  ] as const)('answers %d to a request %s', async (status, _, fields, headers) => {
    expect((await post(fields, headers)).status).toBe(status);
  });

  test('answers 415 to JSON, and has nothing to look at', async () => {
    const json = await fetch(`${app.issuer}/password-strength`, {
      method: 'POST',
      body: '{"new_password":"x"}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect(json.status).toBe(415);
    expect((await fetch(`${app.issuer}/password-strength`)).status).toBe(404);
  });

  test('security 27: a flood is shed, and the rest of the server goes on', async () => {
    const costly = '4@8({[<369&#!1|/\\0$5+7%2'.repeat(3).slice(0, 64);
    const flood = Promise.all(
      Array.from({ length: 30 }, (_, i) => post({ new_password: costly, words: `w${i}` })),
    );
    expect((await fetch(`${app.issuer}/.well-known/openid-configuration`)).status).toBe(200);
    const statuses = (await flood).map(({ status }) => status);
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect((await rate('mossy turnip lantern')).score).toBe(4);
  });
});
