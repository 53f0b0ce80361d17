import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { startApp, startNodes, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { settle } from '../../support/phoenix.ts'
import { connectToRoom, type Member, startRoom } from '../../support/room-clients.ts'
import { injectFaults } from '../../support/transaction-faults.ts'

type Fault = 'for a moment' | 'for a minute'

/** Creates a room of Ann and Bob. Bob connects to it on every node, over both kinds of socket. */
async function startBothSockets(nodes: TestApp[]) {
  const [here] = nodes as [TestApp]
  const { roomId, people } = await startRoom(here, 'ann', 'bob')
  const [ann, bob] = people
  const rooms: { received: string[]; isClosed: boolean }[] = []
  const closed: Promise<number>[] = []
  for (const node of nodes) {
    const channel = bob.connect({ at: node }).channel(`room:${roomId}`, {})
    expect((await settle(channel.join())).status).toBe('ok')
    rooms.push(follow(channel))
    closed.push((await connectToRoom(node, bob, roomId)).closed)
  }
  return { here, roomId, ann, bob, rooms, closed }
}

function follow(channel: Channel) {
  const followed = { received: [] as string[], isClosed: false }
  channel.on('chat.message', ({ text_content }) => void followed.received.push(text_content))
  channel.onClose(() => {
    followed.isClosed = true
  })
  return followed
}

function remove(app: TestApp, by: Member, target: Member, roomId: string) {
  const path = `/api/v1/chat/rooms/${roomId}/users/${target.shortId}/`
  return app.request('DELETE', path, { token: by.token })
}

describe.each([
  ['one node', async (): Promise<TestApp[]> => [await startApp()]],
  ['two nodes', async (): Promise<TestApp[]> => startNodes(2)],
])('a member who is removed while the reply to the commit is lost, on %s', (_count, start) => {
  it.each<Fault>(['for a moment', 'for a minute'])(
    'is disconnected and receives no later messages (database unavailable %s)',
    async (how) => {
      const { here, roomId, ann, bob, rooms, closed } = await startBothSockets(await start())
      const injected = injectFaults(here.database)
      injected.faults = ['commit_reply']
      if (how === 'for a minute') injected.otherwise = 'unreachable'
      let status: number | undefined
      const removal = remove(here, ann, bob, roomId).then((response) => {
        status = response.status
      })
      await eventually(() => {
        here.clock.advance(500)
        expect(status).toBe(how === 'for a minute' ? 503 : 204)
      })
      await removal
      if (how === 'for a minute') here.clock.advance(50_000)
      injected.otherwise = undefined
      await eventually(() => {
        here.clock.advance(1_000)
        for (const room of rooms) expect(room.isClosed).toBe(true)
      })
      expect(await Promise.all(closed)).toEqual(closed.map(() => 1008))
      await here.services.rooms.post(roomId, ann.id, { text: 'among us' })
      for (const { received } of rooms) expect(received).toEqual([])
    },
  )
})
