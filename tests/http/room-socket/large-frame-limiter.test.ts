import { expect, it } from 'vitest'
import { type LargeFrame, LargeFrameLimiter } from '../../../src/http/room-socket/large-frame-limiter.ts'
import { startApp } from '../../support/app.ts'
import { ManualClock } from '../../support/clock.ts'
import { mp3 } from '../../support/media.ts'
import {
  connectToRoom,
  eventsBeforeMarker,
  fileFrame,
  nextEvent,
  startRoom,
} from '../../support/room-clients.ts'

/** A frame of a user, and what became of it. */
function frameOf(userId: string): LargeFrame & { fate: string; incomingBytes: number } {
  return {
    userId,
    fate: '',
    incomingBytes: 0,
    acquired() {
      this.fate = 'admitted'
    },
    expired() {
      this.fate = 'expired'
    },
  }
}

it('limits the number of large frames, and serves waiting ones in order', () => {
  const limiter = new LargeFrameLimiter(2, new ManualClock())
  const [ann, bob, eve, kim] = ['ann', 'bob', 'eve', 'kim'].map(frameOf) as ReturnType<typeof frameOf>[]
  expect([ann!, bob!, eve!, kim!].map((frame) => limiter.acquire(frame))).toEqual([true, true, false, false])
  limiter.release(bob!)
  expect([eve!.fate, kim!.fate]).toEqual(['admitted', ''])
  limiter.release(ann!)
  expect(kim!.fate).toBe('admitted')
})

it('gives each user one slot, and lets other users pass their waiting frames', () => {
  const limiter = new LargeFrameLimiter(2, new ManualClock())
  const [first, second, bob, eve] = ['ann', 'ann', 'bob', 'eve'].map(frameOf) as ReturnType<typeof frameOf>[]
  expect([first!, second!, bob!, eve!].map((frame) => limiter.acquire(frame))).toEqual([
    true,
    false,
    true,
    false,
  ])
  limiter.release(bob!)
  expect([second!.fate, eve!.fate]).toEqual(['', 'admitted'])
  limiter.release(first!)
  expect(second!.fate).toBe('admitted')
})

it('removes a waiting frame that is released', () => {
  const limiter = new LargeFrameLimiter(1, new ManualClock())
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(frameOf) as ReturnType<typeof frameOf>[]
  for (const frame of [ann!, bob!, eve!]) limiter.acquire(frame)
  limiter.release(bob!)
  limiter.release(ann!)
  limiter.release(ann!)
  expect([bob!.fate, eve!.fate]).toEqual(['', 'admitted'])
})

it('expires a frame that holds its slot for too long', () => {
  const clock = new ManualClock()
  const limiter = new LargeFrameLimiter(1, clock)
  const [ann, bob] = ['ann', 'bob'].map(frameOf) as ReturnType<typeof frameOf>[]
  limiter.acquire(ann!)
  clock.advance(299_000)
  expect(ann!.fate).toBe('')
  clock.advance(1_000)
  expect(ann!.fate).toBe('expired')
  limiter.release(ann!)
  expect(limiter.acquire(bob!)).toBe(true)
  limiter.release(bob!)
  clock.advance(600_000)
  expect(bob!.fate).toBe('')
})

it('expires a frame that arrives too slowly, but not one that is being stored', () => {
  const clock = new ManualClock()
  const limiter = new LargeFrameLimiter(3, clock, 2_000)
  const [slow, fast, done] = ['ann', 'bob', 'kim'].map(frameOf) as ReturnType<typeof frameOf>[]
  for (const frame of [slow!, fast!, done!]) limiter.acquire(frame)
  for (let half = 1; half <= 4; half++) {
    slow!.incomingBytes += half < 4 ? 60_000 : 59_999
    fast!.incomingBytes += 60_000
    clock.advance(30_000)
    expect([slow!.fate, fast!.fate, done!.fate]).toEqual([half < 4 ? '' : 'expired', '', ''])
  }
})

it('pauses a connection without closing it until it gets a slot', async () => {
  // One file is larger than all that may be in flight: there is one slot.
  const app = await startApp({ MAX_MEDIA_BYTES: '200000000' })
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  const [ann, bob] = [
    await connectToRoom(app, people[0], roomId),
    await connectToRoom(app, people[1], roomId),
  ]
  const long = fileFrame({ message_type: 'media' }, Buffer.concat([mp3(), Buffer.alloc(2_000_000)]))
  // A frame that never ends: only its first megabyte comes.
  const stuck = await connectToRoom(app, people[0], roomId, { autoPong: false })
  stuck.sendPart(long.subarray(0, 1_000_000), { binary: true })
  await eventsBeforeMarker(ann)
  bob.sendRaw(long)
  bob.send({ message_type: 'message', message: 'after it' })
  const meanwhile = []
  for (let i = 0; i < 30; i++) meanwhile.push(await eventsBeforeMarker(ann))
  app.clock.advance(40_000)
  meanwhile.push(await eventsBeforeMarker(ann))
  expect(meanwhile.flat().filter(({ username }) => username === people[1].username)).toEqual([])
  app.clock.advance(40_000)
  expect(await stuck.closed).toBe(1001)
  expect(await nextEvent(ann, 'chat.media')).toMatchObject({ username: people[1].username })
  expect((await nextEvent(ann, 'chat.message')).text_content).toBe('after it')
})
