import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Vitest's own second is short for a busy machine; a condition that holds ends the wait at once.
    expect: { poll: { timeout: 10_000, interval: 25 } },
  },
});
