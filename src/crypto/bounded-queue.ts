import { AppError } from '../errors.ts';

/** Runs work when its turn comes. @throws AppError busy when too many wait. */
export type BoundedQueue = <T>(work: () => Promise<T>) => Promise<T>;

/** Does `concurrency` pieces of work at once and lets `size` wait, so that a flood is shed with 503. */
export function createBoundedQueue(concurrency: number, size: number): BoundedQueue {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= concurrency) {
      if (waiting.length >= size) throw new AppError('busy', { retryAfter: 5 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
