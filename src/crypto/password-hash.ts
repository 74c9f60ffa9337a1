import argon2 from 'argon2';
import { createBoundedQueue } from './bounded-queue.ts';
import { readPasswordHash } from './password-schemes/read-hash.ts';

/** OWASP password storage: 19 MiB, two passes, one lane; about 60 ms of a core. */
const PARAMETERS = {
  type: argon2.argon2id,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
} as const;

/** What every hash that is made today begins with. */
const TODAY = `$argon2id$v=19$m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=${PARAMETERS.parallelism}$`;

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
 */
export function createPasswordHasher(limits: {
  concurrency: number;
  queue: number;
}): PasswordHasher {
  const run = createBoundedQueue(limits.concurrency, limits.queue);
  const dummy = argon2.hash('a password that nobody has', PARAMETERS);
  return {
    hash: (password) => run(async () => inOrder(await argon2.hash(password, PARAMETERS))),
    verify: (hash, password) =>
      run(async () => {
        const read = readPasswordHash(hash ?? '');
        if (read.ok) return read.verify(password);
        await argon2.verify(await dummy, password);
        return false;
      }),
    isStale: (hash) => !hash.startsWith(TODAY),
  };
}

/** Parameters as m, t, p, which other programs insist on when they import a hash (PHC string format). */
function inOrder(hash: string): string {
  return hash.replace(/\$m=(\d+),p=(\d+),t=(\d+)\$/, '$m=$1,t=$3,p=$2$');
}
