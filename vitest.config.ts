import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'tests/browser/**', 'tests/cluster/**'],
    globalSetup: [
      'tests/support/build.ts',
      'tests/support/embedded-template.ts',
      'tests/support/drop-databases.ts',
    ],
    setupFiles: 'tests/support/browser-globals.ts',
    pool: 'forks',
    // Files share the modules and databases of their worker: loading them anew for each takes longer than most tests.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
