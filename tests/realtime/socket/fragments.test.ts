import { expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { png } from '../../support/media.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { connectToRoom, fileFrame, nextEvent, startRoom } from '../../support/room-clients.ts'
import { roomChannel } from './room-channel.ts'

const JOIN = Buffer.from('["1","1","room:a","phx_join",{}]')

/** Sends a message in fragments, and calls a function after each. */
function sendFragmented(
  client: RawClient,
  message: Buffer,
  { count, binary = false, between = () => {} }: { count: number; binary?: boolean; between?: () => void },
): void {
  const size = Math.ceil(message.length / count)
  for (let start = 0; start < message.length; start += size) {
    const fragment = message.subarray(start, start + size)
    if (start + size >= message.length) client.sendLastPart(fragment, { binary })
    else client.sendPart(fragment, { binary })
    between()
  }
}

/** The close code of a connection; `open` if it still answers. */
function outcome(client: RawClient): Promise<number | 'open'> {
  return Promise.race([client.closed, client.settled().then(() => 'open' as const)]).catch(
    () => client.closed,
  )
}

it('accepts a message in as many fragments as browsers send, with pings in between', async () => {
  const { connect } = await startRealtime([roomChannel()])
  const client = await connect()
  sendFragmented(client, JOIN, { count: JOIN.length, between: () => client.ping() })
  expect(await client.event('phx_reply')).toMatchObject({ 4: { response: { joined: 'a' } } })
})

it('closes a connection that sends a message in too many fragments', async () => {
  const { connect } = await startRealtime([roomChannel()])
  const client = await connect()
  const padded = Buffer.from(`["1","1","room:a","phx_join",{}${' '.repeat(480)}]`)
  sendFragmented(client, padded, { count: padded.length })
  expect(await outcome(client)).toBe(1008)
})

it('closes a connection that floods pings, but not one that sends one a second', async () => {
  const { connect, clock } = await startRealtime([roomChannel()])
  const steady = await connect('steady')
  steady.sendPart(JOIN.subarray(0, 5))
  for (let second = 0; second < 300; second++) {
    await steady.pinged()
    clock.advance(1_000)
  }
  steady.sendLastPart(JOIN.subarray(5))
  expect(await steady.event('phx_reply')).toMatchObject({ 4: { response: { joined: 'a' } } })
  const eager = await connect('eager')
  eager.sendPart(JOIN.subarray(0, 5))
  for (let i = 0; i < 101; i++) eager.ping('x'.repeat(125))
  expect(await outcome(eager)).toBe(1008)
})

it('limits the fragments of room sockets too, where a file takes more of them', async () => {
  const app = await startApp()
  const { roomId, people } = await startRoom(app, 'ann')
  const [client, hostile] = [
    await connectToRoom(app, people[0], roomId),
    await connectToRoom(app, people[0], roomId),
  ]
  const file = fileFrame({ message_type: 'media' }, Buffer.concat([png(), Buffer.alloc(1_000_000)]))
  sendFragmented(client, file, { count: 200, binary: true })
  await nextEvent(client, 'chat.media')
  sendFragmented(hostile, file, { count: 20_000, binary: true })
  expect(await hostile.closed).toBe(1008)
})
