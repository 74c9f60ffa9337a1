import { createHash, createHmac, randomBytes } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { openPool, transaction } from '../../src/db/pool.ts';
import type { Db } from '../../src/deps.ts';
import { readDigits } from '../../src/mfa/read-digits.ts';
import { CODE_TTL, type CodeRequest, issueCode } from '../../src/one-time-codes/issue-code.ts';
import { findLink, redeemCode, redeemLink } from '../../src/one-time-codes/redeem-code.ts';
import type { CodePurpose } from '../../src/one-time-codes/store.ts';
import { createUser } from '../../src/users/create-user.ts';
import { SECRET } from '../support/app.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';

const PURPOSES: CodePurpose[] = [
  'sign-up',
  'sign-in',
  'reset-password',
  'invitation',
  'change-email',
  'verify-phone',
];

const { codes: keys } = deriveKeyring([SECRET]);

let database: TestDatabase;
/** Two pools, as two replicas have. */
let db: Db;
let other: Db;

beforeAll(async () => {
  database = await createDatabase();
  const open = () =>
    openPool({ url: database.url, size: 12, statementTimeout: 10_000, name: 'test' });
  [db, other] = [open(), open()];
});
afterAll(async () => {
  await Promise.all([db.destroy(), other.destroy()]);
  await database.drop();
});

async function newUser(): Promise<string> {
  const created = await transaction(db, (trx) =>
    createUser(trx, SYSTEM, {
      email: `${uuid()}@example.com`,
      emailVerified: true,
      administrator: false,
      profile: {},
    }),
  );
  if (!created.ok) throw new Error(created.reason);
  return created.user.id;
}

/** A code for somebody new, unless told otherwise, asked for in a request of its own. */
async function issue(asked: Partial<CodeRequest> = {}): Promise<Issued> {
  const {
    purpose = 'sign-in',
    request = uuid(),
    userId = asked.forNobody ? undefined : await newUser(),
    address,
  } = asked;
  const secrets = await transaction(db, (trx) =>
    issueCode(trx, { keys, randomBytes }, { ...asked, purpose, request, userId }),
  );
  return { ...secrets, purpose, request, userId: userId ?? null, address };
}

type Issued = {
  purpose: CodePurpose;
  request: string;
  userId: string | null;
  address: string | undefined;
  code: string;
  token: string;
};

const type = (issued: Pick<Issued, 'purpose' | 'request'>, code: string, pool = db) =>
  transaction(pool, (trx) => redeemCode(trx, keys, { ...issued, code }));

const follow = (issued: Pick<Issued, 'purpose' | 'token'>, request?: string, pool = db) =>
  transaction(pool, (trx) => redeemLink(trx, issued.purpose, issued.token, request));

/** A code that isn't this one. */
const not = (code: string) => code.replace(/\d$/, (d) => String((Number(d) + 1) % 10));

const outcome = (result: { ok: boolean; reason?: string }) => (result.ok ? 'ok' : result.reason);

describe('a code', () => {
  test('has eight digits and works once', async () => {
    const issued = await issue();
    expect(issued.code).toMatch(/^\d{8}$/);
    expect(issued.token).toMatch(/^[\w-]{43}$/);
    expect(await type(issued, issued.code)).toMatchObject({
      ok: true,
      code: { user_id: issued.userId },
    });
    expect(outcome(await type(issued, issued.code))).toBe('used');
    expect(outcome(await follow(issued))).toBe('used');
  });

  test('security 8: works for its purpose only', async () => {
    const issued = await issue();
    for (const purpose of PURPOSES.filter((p) => p !== issued.purpose)) {
      expect(outcome(await type({ ...issued, purpose }, issued.code))).toBe('expired');
      expect(await findLink(db, purpose, issued.token)).toBeUndefined();
      expect(outcome(await follow({ ...issued, purpose }))).toBe('expired');
    }
    expect(outcome(await type(issued, issued.code))).toBe('ok');
  });

  test('works in the request only that it was asked in', async () => {
    const issued = await issue();
    expect(outcome(await type({ ...issued, request: uuid() }, issued.code))).toBe('expired');
    expect(outcome(await follow(issued, uuid()))).toBe('expired');
    expect(outcome(await follow(issued, issued.request))).toBe('ok');
  });

  test('works for ten minutes', async () => {
    const issued = await issue();
    const { rows } = await db.raw(
      'SELECT extract(epoch FROM expires_at - created_at)::int AS ttl FROM one_time_codes WHERE user_id = ?',
      [issued.userId],
    );
    expect(rows).toEqual([{ ttl: CODE_TTL }]);
    const late = await issue({ ttl: 0 });
    expect(outcome(await type(late, late.code))).toBe('expired');
    expect(outcome(await follow(late))).toBe('expired');
    expect(await findLink(db, late.purpose, late.token)).toMatchObject({ expired: true });
  });

  test.each<[string, (older: Issued) => Partial<CodeRequest>]>([
    ['for the same person', ({ userId }) => ({ userId: String(userId) })],
    ['to the same address', ({ address }) => ({ address: String(address).toUpperCase() })],
    ['in the same request', ({ request }) => ({ request })],
  ])('dies with a newer one %s', async (_, same) => {
    const older = await issue({ address: `${uuid()}@example.com` });
    const newer = await issue(same(older));
    expect(outcome(await follow(older))).toBe('expired');
    const typed = await type(older, older.code);
    expect(['expired', 'wrong']).toContain(outcome(typed));
    expect(outcome(await type(newer, newer.code))).toBe('ok');
  });

  test('is the only one for its person, of ten that are asked for at once', async () => {
    const userId = await newUser();
    const ask = (pool: Db) =>
      transaction(pool, (trx) =>
        issueCode(trx, { keys, randomBytes }, { purpose: 'sign-in', request: uuid(), userId }),
      );
    await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i % 2 === 0 ? db : other)));
    expect(await db('one_time_codes').where({ user_id: userId })).toHaveLength(1);
  });

  test('does not die with one for another purpose or person', async () => {
    const issued = await issue();
    await issue({ purpose: 'change-email', userId: String(issued.userId) });
    await issue();
    expect(outcome(await type(issued, issued.code))).toBe('ok');
  });

  test('for nobody matches nothing, and counts as any other', async () => {
    const issued = await issue({ forNobody: true, address: 'nobody@example.com' });
    const tries = [issued.code, not(issued.code), '', issued.code, issued.code, issued.code];
    const seen = [];
    for (const code of tries) seen.push(outcome(await type(issued, code)));
    expect(seen).toEqual(['wrong', 'wrong', 'wrong', 'wrong', 'exhausted', 'exhausted']);
  });
});

describe('security 4: tries of codes', () => {
  test('are five, however they are made', async () => {
    const issued = await issue();
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => type(issued, not(issued.code), i % 2 ? db : other)),
    );
    const outcomes = all.map(outcome);
    expect(outcomes.filter((o) => o === 'wrong')).toHaveLength(4);
    expect(outcomes.filter((o) => o === 'exhausted')).toHaveLength(16);
    expect(outcome(await type(issued, issued.code, other))).toBe('exhausted');
  });

  test('are counted for the account, over its codes and replicas', async () => {
    const userId = await newUser();
    let wrong = 0;
    for (let round = 0; round < 2; round += 1) {
      const issued = await issue({ userId });
      for (let time = 0; time < 5; time += 1) {
        await type(issued, not(issued.code), time % 2 ? db : other);
        wrong += 1;
      }
    }
    expect(wrong).toBe(10);
    const third = await issue({ userId });
    expect(outcome(await type(third, not(third.code)))).toBe('wrong');
    // The next has to wait, right as it is.
    const late = await type(third, third.code, other);
    expect(late).toMatchObject({ ok: false, reason: 'throttled', userId });
    expect(outcome(await type(await issue(), 'x'))).toBe('wrong');
  });

  test('start from zero after a right one', async () => {
    const userId = await newUser();
    for (let round = 0; round < 4; round += 1) {
      const issued = await issue({ userId });
      for (let time = 0; time < 4; time += 1) await type(issued, not(issued.code));
      expect(outcome(await type(issued, issued.code))).toBe('ok');
    }
  });

  test('of a browser the person used before are not spent by a stranger', async () => {
    const userId = await newUser();
    const device = createHash('sha256').update(userId).digest();
    await db('known_devices').insert({ device_hash: device, user_id: userId });
    for (let round = 0; round < 3; round += 1) {
      const issued = await issue({ userId });
      for (let time = 0; time < 5; time += 1) await type(issued, not(issued.code));
    }
    const issued = await issue({ userId });
    expect(outcome(await type(issued, issued.code))).toBe('throttled');
    const typed = { ...issued, device };
    const own = await transaction(db, (trx) => redeemCode(trx, keys, typed));
    expect(outcome(own)).toBe('ok');
  });

  test.each(['code', 'link'])('20 at once with the right %s are one success', async (what) => {
    const issued = await issue();
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const pool = i % 2 ? db : other;
        return what === 'code' ? type(issued, issued.code, pool) : follow(issued, undefined, pool);
      }),
    );
    const outcomes = all.map(outcome);
    expect(outcomes.filter((o) => o === 'ok')).toHaveLength(1);
    expect(outcomes.filter((o) => o === 'used')).toHaveLength(19);
  });
});

describe('security 8: what is stored of a code', () => {
  test('is hashes, and that of its digits is keyed', async () => {
    const issued = await issue({ address: 'stored@example.com' });
    const { rows } = await db.raw(
      'SELECT id, code_hash, t::text AS whole FROM one_time_codes t WHERE user_id = ?',
      [issued.userId],
    );
    const [{ id, code_hash: stored, whole }] = rows;
    for (const secret of [issued.code, issued.token, issued.request]) {
      expect(whole).not.toContain(secret);
      expect(whole).not.toContain(Buffer.from(secret).toString('hex'));
    }
    // Eight digits are soon tried: without the key none of them can be told.
    const texts = [issued.code, `${id}${issued.code}`, `${id} ${issued.code}`];
    const guesses = texts.flatMap((text) => [
      createHash('sha256').update(text).digest('base64url'),
      createHmac('sha256', '').update(text).digest('base64url'),
      createHmac('sha256', id).update(text).digest('base64url'),
    ]);
    expect(guesses).not.toContain(stored);
    const other = deriveKeyring([`${SECRET}-other`]).codes;
    const forged = await transaction(db, (trx) => redeemCode(trx, other, issued));
    expect(outcome(forged)).toBe('wrong');
  });

  test('is good under a new secret as long as the old is kept', async () => {
    const issued = await issue();
    const both = deriveKeyring([`${SECRET}-next`, SECRET]).codes;
    const redeemed = await transaction(db, (trx) => redeemCode(trx, both, issued));
    expect(outcome(redeemed)).toBe('ok');
  });

  test('differs for the same digits', async () => {
    const [one, two] = await Promise.all([issue(), issue()]);
    const rows = await db('one_time_codes').whereIn('user_id', [one.userId, two.userId]);
    const zero = { keys, randomBytes: (size: number) => Buffer.alloc(size) };
    const same = await transaction(db, async (trx) => {
      const [a, b] = [await newUser(), await newUser()];
      const first = await issueCode(trx, zero, { purpose: 'sign-in', userId: a });
      await trx('one_time_codes')
        .where({ user_id: a })
        .update({ hash: randomBytes(32) });
      const second = await issueCode(trx, zero, { purpose: 'sign-in', userId: b });
      const stored = await trx('one_time_codes').whereIn('user_id', [a, b]);
      return { codes: [first.code, second.code], hashes: stored.map((row) => row.code_hash) };
    });
    expect(rows).toHaveLength(2);
    expect(same.codes).toEqual(['00000000', '00000000']);
    expect(new Set(same.hashes).size).toBe(2);
  });
});

describe('digits', () => {
  test.each([
    ['12345678', '12345678'],
    ['1234 5678', '12345678'],
    ['1234-5678', '12345678'],
    [' 12 34‑56—78\t\n', '12345678'],
    ['１２３４５６７８', '12345678'],
    ['١٢٣٤٥٦٧٨', '12345678'],
    ['۱۲۳۴۵۶۷۸', '12345678'],
    ['१२३४५६७८', '12345678'],
    ['০১২৩৪৫৬৭', '01234567'],
    ['1234 567', '1234567'],
    ['12345678x', '12345678x'],
    ['- –', ''],
    ['', ''],
  ])('%j are %j', (typed, digits) => {
    expect(readDigits(typed)).toBe(digits);
  });
});
