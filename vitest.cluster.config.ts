import { defineConfig } from 'vitest/config'

/** The tests of several server processes, which start PostgreSQL and Redis themselves: `npm run test:cluster`. */
export default defineConfig({
  test: {
    include: ['tests/cluster/**/*.test.ts'],
    globalSetup: 'tests/support/build.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
