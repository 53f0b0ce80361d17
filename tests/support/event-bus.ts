import { EventBus } from '../../src/domain/shared/events.ts'

/** An event bus whose listeners' errors are the test's. */
export function openEventBus(): EventBus {
  return new EventBus((error) => {
    throw error
  })
}
