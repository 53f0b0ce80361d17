import type { Socket } from 'phoenix'
import { expect, it } from 'vitest'
import { listen, settle } from '../../support/phoenix.ts'

/** Tests of an official client with the channels of `room-channel.ts`, for any transport. */
export function testClient(start: () => Promise<{ connect(token: string): Socket }>): void {
  it('joins, pushes, receives broadcasts and leaves', async () => {
    const { connect } = await start()
    const channel = connect('ann').channel('room:a')
    const nextMessage = listen(channel, 'message')
    expect(await settle(channel.join())).toEqual({ status: 'ok', response: { joined: 'a' } })
    expect(await settle(channel.push('echo', { any: ['thing'] }))).toEqual({
      status: 'ok',
      response: { any: ['thing'] },
    })
    expect(await settle(channel.push('reject', {}))).toEqual({ status: 'error', response: 'rejected' })
    channel.push('broadcast', { text: 'hi' })
    expect(await nextMessage()).toEqual({ text: 'hi' })
    expect((await settle(channel.leave())).status).toBe('ok')
  })

  it('does not rejoin after a permanent rejection', async () => {
    const { connect } = await start()
    const channel = connect('ann').channel('room:a', { outcome: 'reject_permanently' })
    const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
    expect(await settle(channel.join())).toEqual({ status: 'error', response: 'never' })
    await closed
    expect(channel.state).toBe('closed')
  })
}
