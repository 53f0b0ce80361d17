import { vi } from 'vitest'

/** Retries an assertion until it passes. The timeout is long, for slow machines. */
export function eventually(assertion: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(assertion, { timeout: 30_000, interval: 10 })
}
