import { expect, it } from 'vitest'
import { EventBus } from '../../../src/domain/shared/events.ts'

it('calls every listener in order, and reports one that throws', () => {
  const reported: unknown[] = []
  const heard: string[] = []
  const events = new EventBus((error, event) => reported.push([error, event]))
  const bug = new Error('a bug')
  events.on('hidden_changed', () => {
    throw bug
  })
  events.on('hidden_changed', ({ userId }) => void heard.push(userId))
  events.emit('hidden_changed', { userId: 'ann', hidden: true })
  expect(heard).toEqual(['ann'])
  expect(reported).toEqual([[bug, 'hidden_changed']])
})
