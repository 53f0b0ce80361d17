import { vi } from 'vitest'

/** Waits until an assertion holds: for as long as a slow machine needs, and no longer than it takes. */
export function eventually(assertion: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(assertion, { timeout: 30_000, interval: 10 })
}
