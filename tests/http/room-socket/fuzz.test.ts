import fc from 'fast-check'
import { expect, it } from 'vitest'
import { startApp, type TestApp } from '../../support/app.ts'
import { png } from '../../support/media.ts'
import type { RawClient } from '../../support/raw-client.ts'
import {
  connectToRoom,
  eventsBeforeMarker,
  fileFrame,
  type Member,
  nextEvent,
  startRoom,
} from '../../support/room-clients.ts'
import { rounds } from '../../support/stress.ts'

const FRAMES = rounds(500, 10_000)
const BATCH = 50

it(`${FRAMES} random frames of one member do not affect other members`, { timeout: 300_000 }, async () => {
  const app = await startApp()
  const { roomId, people } = await startRoom(app, 'ann', 'bob', 'mallory')
  const [ann, bob, mallory] = people
  const [annSocket, bobSocket] = [
    await connectToRoom(app, ann, roomId),
    await connectToRoom(app, bob, roomId),
  ]
  const { id } = await app.services.rooms.post(roomId, ann.id, { text: 'first' })
  const batches = fc.sample(fc.array(frame(id), { minLength: BATCH, maxLength: BATCH }), FRAMES / BATCH)
  for (const [number, batch] of batches.entries()) {
    await attack(app, mallory, roomId, batch)
    await exchangeMessages(annSocket, bobSocket, `still here ${number}`)
  }
  expect(app.logs.filter((line) => JSON.parse(line).level >= 50)).toEqual([])
})

/** Sends frames on a connection of their own, which must stay open and answer to the end. */
async function attack(app: TestApp, mallory: Member, roomId: string, frames: (string | Uint8Array)[]) {
  const client = await connectToRoom(app, mallory, roomId)
  for (const data of frames) client.sendRaw(data)
  await eventsBeforeMarker(client)
  client.close()
}

async function exchangeMessages(from: RawClient, to: RawClient, text: string) {
  from.send({ message_type: 'message', message: text })
  await to.take((event) => (event as { text_content?: string }).text_content === text)
  await nextEvent(from, 'chat.message')
}

/** Mostly frames that are nearly right: those reach deepest. */
function frame(messageId: string): fc.Arbitrary<string | Uint8Array> {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\0', '\ud83e', '__proto__'),
  )
  const fields = fc.record(
    {
      message_type: fc.oneof(odd, fc.constantFrom('message', 'reply', 'typing', 'media', 'constructor')),
      message: fc.oneof(odd, fc.constantFrom('typing', 'hello')),
      previous_message_id: fc.oneof(odd, fc.constant(messageId)),
      media_format: fc.oneof(odd, fc.constantFrom('image', 'audio', 'video')),
    },
    { requiredKeys: [] },
  )
  const text = fc.oneof(fields, odd).map((value) => JSON.stringify(value))
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(png()))
  const mutated = fc
    .tuple(text, fc.nat(), fc.string({ maxLength: 3 }))
    .map(
      ([json, at, insert]) => json.slice(0, at % json.length) + insert + json.slice((at % json.length) + 1),
    )
  return fc.oneof(
    { arbitrary: text, weight: 10 },
    { arbitrary: mutated, weight: 3 },
    { arbitrary: fc.tuple(fields, bytes).map(([metadata, file]) => fileFrame(metadata, file)), weight: 3 },
    { arbitrary: fc.uint8Array({ maxLength: 64 }), weight: 1 },
    { arbitrary: fc.string({ unit: 'binary' }), weight: 1 },
  )
}
