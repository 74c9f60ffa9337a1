import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PASSWORD } from '../support/app.ts';
import { forgetThrottles, type Scene, type Stage, send, startStage } from './every-form.ts';
import { FORMS, NEXT_PASSWORD } from './form-scenes.ts';

type Answer = { asked: string; sent: string; headers: string; body: string };

let stage: Stage;
/** What opens something for whoever has it, by where it came from. */
const secrets = new Map<string, string>();
/** Every answer that any browser was given. */
const answers: Answer[] = [];
/** Everything that was stored, after each form and in the end. */
let stored = '';

beforeAll(async () => {
  stage = await startStage({ LOG_LEVEL: 'trace' });
  const { fetch } = globalThis;
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const response = await fetch(input, init);
    const body = await response.clone().text();
    const headers = JSON.stringify([...response.headers].filter(([name]) => name !== 'set-cookie'));
    const sent = String(init?.body ?? '');
    answers.push({ asked: String(input), sent, headers, body });
    return response;
  });
  for (const [path, set] of Object.entries(FORMS)) {
    await forgetThrottles(stage);
    const scene = await set(stage);
    await send(scene);
    // Mails that are on their way, which are gone from the queue a moment later.
    stored += await dump('graphile_worker', ['_private_jobs']);
    await plant(path, scene);
  }
  const { rows } = await stage.runtime.deps.db.raw(
    `SELECT schemaname AS schema, array_agg(tablename::text) AS tables FROM pg_tables
     WHERE schemaname IN ('public', 'graphile_worker') GROUP BY 1`,
  );
  for (const { schema, tables } of rows) stored += await dump(schema, tables);
}, 60_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await stage.stop();
});

async function dump(schema: string, tables: string[]): Promise<string> {
  const { db } = stage.runtime.deps;
  let text = '';
  for (const table of tables) {
    const { rows } = await db.raw('SELECT t::text AS whole FROM ??.?? t', [schema, table]);
    text += rows.map(({ whole }: { whole: string }) => `${whole}\n`).join('');
  }
  return text;
}

/** Notes what a form and its mails had in them. */
async function plant(path: string, { visitor, action, fields }: Scene): Promise<void> {
  const { code, csrf } = fields;
  for (const [name, value] of Object.entries({ code, csrf })) {
    if (value !== undefined) secrets.set(`${name} of ${path}`, value);
  }
  const uid = /\/(?:interaction|invitation|reset-password)\/([\w-]{20,})/.exec(action)?.[1];
  if (uid !== undefined) secrets.set(`address of ${path}`, uid);
  for (const { key, value } of await visitor.jar.getCookies(stage.issuer)) {
    if (/^plinto_\w+$/.test(key)) secrets.set(`${key} of ${path}`, value);
  }
}

const passwords = () => [
  'walnut-harbor-thimble-77',
  PASSWORD,
  NEXT_PASSWORD,
  'amber-lantern-drifts-73',
];

/** Digits can be part of anything longer. */
function isIn(text: string, secret: string): boolean {
  if (!/^\d{6,8}$/.test(secret)) return text.includes(secret);
  return new RegExp(`(?<![\\w.-])${secret}(?![\\w.-])`).test(text);
}

/** The names of the secrets that are in a text, as they are or in hexadecimal as bytes are shown. */
function found(text: string): string[] {
  const all = [...secrets, ...passwords().map((one): [string, string] => ['a password', one])];
  return all
    .filter(([, secret]) => {
      const hex = Buffer.from(secret).toString('hex');
      return isIn(text, secret) || text.includes(hex);
    })
    .map(([name]) => name);
}

/** Codes and links as the mails had them. */
function mailed(): string[] {
  return stage.mailbox.messages.flatMap(({ text = '' }) => [
    ...[...text.matchAll(/^\s*(\d{8})\s*$/gm)].map(([, code]) => String(code)),
    ...[...text.matchAll(/(?:link=|invitation\/|reset-password\/)([\w-]{43})/g)].map(([, token]) =>
      String(token),
    ),
  ]);
}

describe('security 5: what was typed, mailed and set as a cookie in every form', () => {
  beforeAll(() => {
    for (const [i, secret] of mailed().entries()) secrets.set(`${i} of the mails`, secret);
  });

  test('security 5: is many things', () => {
    expect(secrets.size).toBeGreaterThan(60);
    expect(mailed().length).toBeGreaterThan(12);
    expect(found(`a ${[...secrets.values()][3]} b`)).not.toEqual([]);
    for (const name of ['code of /account/email/code', 'code of /account/phone/code']) {
      expect(secrets.has(name)).toBe(true);
    }
  });

  test('security 5: is in no line of the log, at any level', () => {
    expect(stage.logs.length).toBeGreaterThan(100);
    expect(found(stage.logs.join('\n'))).toEqual([]);
  });

  test('security 5: is in no row of any table, the queue of mails included', () => {
    expect(stored).toContain('person1@example.com');
    expect(stored).toContain('send-mail');
    expect(found(stored)).toEqual([]);
  });

  test('security 5: is in no answer but to who has it', () => {
    const known = ([name]: [string, string]) => !/csrf|plinto_|address/.test(name);
    for (const { asked, sent, headers, body } of answers) {
      const text = `${headers}${body}`;
      for (const [name, secret] of [...secrets].filter(known)) {
        // They are shown once, to who keeps them.
        const shown = name.endsWith('/recovery-code') && /data-page="recovery-codes"/.test(body);
        const has = asked.includes(secret) || sent.includes(secret) || shown;
        if (!has) expect(isIn(text, secret), `${name} at ${asked}`).toBe(false);
      }
      for (const password of passwords()) expect(text).not.toContain(password);
    }
  });

  test('security 5: is in no address that a browser is sent to, but in that of its own page', () => {
    for (const { asked, headers } of answers) {
      const location = /\["location","([^"]*)"\]/.exec(headers)?.[1] ?? '';
      expect(location).not.toMatch(/@|%40/);
      for (const secret of mailed()) {
        if (!asked.includes(secret)) expect(isIn(location, secret)).toBe(false);
      }
    }
  });
});
