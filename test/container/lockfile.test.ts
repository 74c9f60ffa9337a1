import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

type Locked = { optionalDependencies?: Record<string, string> };

/**
 * npm leaves out of the lock what the registry at hand doesn't have for other platforms, and
 * `npm ci` then refuses the lock everywhere.
 */
test('the lock names the packages of every platform', () => {
  const lock = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8'),
  );
  const packages = lock.packages as Record<string, Locked>;
  const places = Object.keys(packages);
  expect(places.length).toBeGreaterThan(100);
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => !places.some((place) => place.endsWith(`node_modules/${name}`)));
  expect(missing).toEqual([]);
});
