import argon2 from 'argon2';
import { expect, test } from 'vitest';
import { createPasswordHasher } from '../../src/crypto/password-hash.ts';
import { AppError } from '../../src/errors.ts';

const PASSWORD = 'violet-kettle-orbits-42';
const hasher = createPasswordHasher({ concurrency: 1, queue: 100 });

test('a password makes an argon2id hash of 19 MiB and two passes, which it matches', async () => {
  const hash = await hasher.hash(PASSWORD);
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await hasher.verify(hash, PASSWORD)).toBe(true);
  expect(await hasher.verify(hash, `${PASSWORD} `)).toBe(false);
  expect(hasher.isStale(hash)).toBe(false);
});

test('hashes with other parameters verify and are seen to be stale', async () => {
  const weaker = await argon2.hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
  expect(await hasher.verify(weaker, PASSWORD)).toBe(true);
  expect(hasher.isStale(weaker)).toBe(true);
});

test.each([
  [
    'memory of 1 GiB',
    '$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaA',
  ],
  [
    'a million passes',
    '$argon2id$v=19$m=8192,t=1000000,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaA',
  ],
  [
    'a thousand lanes',
    '$argon2id$v=19$m=8192,t=1,p=1000$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaA',
  ],
  ['no parameters', '$argon2id$v=19$c29tZXNhbHQ$aGFzaA'],
  ['another scheme', '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'],
  ['nothing', ''],
])('security 27: a stored hash with %s is refused rather than computed', async (_what, hash) => {
  expect(await hasher.verify(hash, PASSWORD)).toBe(false);
});

test('security 27: more than may wait are told to come back, the others are served', async () => {
  const small = createPasswordHasher({ concurrency: 1, queue: 2 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => small.verify(undefined, PASSWORD)),
  );
  const refused = outcomes.filter((o) => o.status === 'rejected');
  expect(refused).toHaveLength(3);
  for (const { reason } of refused as PromiseRejectedResult[]) {
    expect(reason).toBeInstanceOf(AppError);
    expect(reason).toMatchObject({ code: 'busy', status: 503, retryAfter: 5 });
  }
  expect(await small.verify(undefined, PASSWORD)).toBe(false);
});

test('security 9: a user without a password costs as much as one with a password', async () => {
  const hash = await hasher.hash(PASSWORD);
  const known: number[] = [];
  const unknown: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    known.push(await elapsed(() => hasher.verify(hash, 'wrong')));
    unknown.push(await elapsed(() => hasher.verify(undefined, 'wrong')));
  }
  const ratio = median(unknown) / median(known);
  expect(ratio).toBeGreaterThan(0.5);
  expect(ratio).toBeLessThan(2);
});

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
