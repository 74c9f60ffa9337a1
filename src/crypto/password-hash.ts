import argon2 from 'argon2';
import { createBoundedQueue } from './bounded-queue.ts';
import { readPasswordHash } from './password-schemes/read-hash.ts';

/** What a hash costs: KiB of memory, and passes over it. */
export type HashCost = { memoryCost: number; timeCost: number };

/** OWASP password storage: 19 MiB, two passes, one lane; about 60 ms of a core. */
export const OWASP_COST: HashCost = { memoryCost: 19_456, timeCost: 2 };

export type PasswordHasher = {
  /** PHC string of argon2id. @throws AppError busy when too many wait. */
  hash: (password: string) => Promise<string>;
  /**
   * Whether the password made this hash, of whatever scheme there is under password-schemes/.
   * Undefined, and what can't or mustn't be computed, verifies nothing but costs the same as a hash
   * of today.
   */
  verify: (hash: string | undefined, password: string) => Promise<boolean>;
  /** True when a hash was made in another way than today's. */
  isStale: (hash: string) => boolean;
};

/**
 * Hashes passwords in the thread pool, a few at a time, with a bounded queue: a flood of sign-ins
 * is shed with 503 while token endpoints stay fast.
 *
 * @param cost of what is hashed from now on
 */
export function createPasswordHasher(
  limits: { concurrency: number; queue: number },
  cost: HashCost = OWASP_COST,
): PasswordHasher {
  const run = createBoundedQueue(limits.concurrency, limits.queue);
  const parameters = { type: argon2.argon2id, ...cost, parallelism: 1 } as const;
  const today = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=1$`;
  const dummy = argon2.hash('a password that nobody has', parameters);
  return {
    hash: (password) => run(async () => inOrder(await argon2.hash(password, parameters))),
    verify: (hash, password) =>
      run(async () => {
        const read = readPasswordHash(hash ?? '');
        if (read.ok) return read.verify(password);
        await argon2.verify(await dummy, password);
        return false;
      }),
    isStale: (hash) => !hash.startsWith(today),
  };
}

/** Parameters as m, t, p, which other programs insist on when they import a hash (PHC string format). */
function inOrder(hash: string): string {
  return hash.replace(/\$m=(\d+),p=(\d+),t=(\d+)\$/, '$m=$1,t=$3,p=$2$');
}
