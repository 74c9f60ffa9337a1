import argon2 from 'argon2';
import { createBoundedQueue } from './bounded-queue.ts';

/** OWASP password storage: 19 MiB, two passes, one lane; about 60 ms of a core. */
const PARAMETERS = {
  type: argon2.argon2id,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
} as const;

/** Cost above which a stored hash is refused rather than computed (security 27). */
const MAX_MEMORY_KIB = 131_072;
const MAX_PASSES = 10;

export type PasswordHasher = {
  /** PHC string of argon2id. @throws AppError busy when too many wait. */
  hash: (password: string) => Promise<string>;
  /** Whether the password made this hash; undefined verifies nothing but costs the same. */
  verify: (hash: string | undefined, password: string) => Promise<boolean>;
  /** True when a hash was made with other parameters than today's. */
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
        const matches = await argon2.verify(affordable(hash) ?? (await dummy), password);
        return matches && affordable(hash) !== undefined;
      }),
    isStale: (hash) => !hash.startsWith('$argon2id$') || argon2.needsRehash(hash, PARAMETERS),
  };
}

/** Parameters as m, t, p, which other programs insist on when they import a hash (PHC string format). */
function inOrder(hash: string): string {
  return hash.replace(/\$m=(\d+),p=(\d+),t=(\d+)\$/, '$m=$1,t=$3,p=$2$');
}

/** The hash, where verifying it costs no more than the caps. */
function affordable(hash: string | undefined): string | undefined {
  const parameters = /^\$argon2(?:id|i|d)\$v=\d+\$((?:[mtp]=\d+,?){3})\$/.exec(hash ?? '')?.[1];
  if (parameters === undefined) return undefined;
  const cost = new URLSearchParams(parameters.replaceAll(',', '&'));
  const within = (name: string, cap: number): boolean => Number(cost.get(name) ?? Infinity) <= cap;
  return within('m', MAX_MEMORY_KIB) && within('t', MAX_PASSES) && within('p', 16)
    ? hash
    : undefined;
}
