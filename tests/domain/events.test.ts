import { expect, it } from 'vitest'
import { EventBus } from '../../src/domain/events.ts'

it('tells every listener, in order, although one throws: that is reported', () => {
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
