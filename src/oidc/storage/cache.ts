/** Values kept in memory while changes to them are heard of. */
export type Cache<T> = {
  /** The kept value, or a loaded one. What isn't there isn't kept. */
  get: (key: string, load: () => Promise<T | undefined>) => Promise<T | undefined>;
  clear: () => void;
};

/** Milliseconds after which a value is loaded again, in case a notification got lost. */
const MAX_AGE = 60_000;

/**
 * Keeps the most recently used values, but only while `trusted` says that changes are heard of. A
 * value that was being loaded while the cache was cleared isn't kept.
 */
export function createCache<T>(options: { size: number; trusted: () => boolean }): Cache<T> {
  const entries = new Map<string, { value: T; until: number }>();
  let generation = 0;
  return {
    clear: () => {
      generation += 1;
      entries.clear();
    },
    get: async (key, load) => {
      if (!options.trusted()) return load();
      const kept = entries.get(key);
      if (kept !== undefined && kept.until > performance.now()) {
        entries.delete(key);
        entries.set(key, kept);
        return kept.value;
      }
      const started = generation;
      const value = await load();
      if (value !== undefined && started === generation) {
        entries.set(key, { value, until: performance.now() + MAX_AGE });
        const oldest = entries.keys().next().value;
        if (entries.size > options.size && oldest !== undefined) entries.delete(oldest);
      }
      return value;
    },
  };
}
