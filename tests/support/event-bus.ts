import { EventBus } from '../../src/domain/shared/events.ts'

/** Creates an event bus that throws the errors of its listeners. */
export function openEventBus(): EventBus {
  return new EventBus((error) => {
    throw error
  })
}
