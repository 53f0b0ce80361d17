import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { copiesFor, push, startPrivate } from '../../support/conversations.ts'
import { listen, settle } from '../../support/phoenix.ts'

const unauthorized = { status: 'error', response: { reason: 'unauthorized' } }

describe('user:<id>', () => {
  it('permanently rejects other users', async () => {
    const app = await startApp()
    const [ann, bob] = [await app.signUp('ann'), await app.signUp('bob')]
    const socket = ann.connect()
    const userChannel = socket.channel(`user:${ann.id}`, { token: ann.token })
    expect(await settle(userChannel.join())).toEqual({ status: 'ok', response: {} })
    const foreign = socket.channel(`user:${bob.id}`, { token: ann.token })
    const closed = new Promise<void>((resolve) => foreign.onClose(() => resolve()))
    expect(await settle(foreign.join())).toEqual(unauthorized)
    await closed
  })

  it('rejects a missing or invalid token, and all events', async () => {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const socket = ann.connect()
    for (const payload of [{}, { token: 'wrong' }]) {
      expect(await settle(socket.channel(`user:${ann.id}`, payload).join())).toEqual(unauthorized)
    }
    const userChannel = await ann.join(`user:${ann.id}`)
    expect(await push(ann, userChannel, 'new_message', {})).toEqual({
      status: 'error',
      response: { reason: 'unknown_event' },
    })
  })

  it('delivers messages to every socket of the user', async () => {
    const app = await startApp()
    const { people, channels } = await startPrivate(app, ['ann', 'bob'])
    const [ann, bob] = people
    const second = bob.connect().channel(`user:${bob.id}`, { token: bob.token })
    await settle(second.join())
    const nextEvent = listen(second, 'new_message')
    await push(ann, channels[0] as Channel, 'send_message', copiesFor(people, 'hello'))
    expect((await nextEvent()).message.content).toBe('hello')
  })
})
