import { expect, it } from 'vitest'
import { type LongFrame, RoomIntake } from '../../src/http/room-intake.ts'
import { startApp } from '../support/app.ts'
import { ManualClock } from '../support/clock.ts'
import { mp3 } from '../support/media.ts'
import { enter, fileFrame, startRoom, told, toldBefore } from '../support/room-clients.ts'

/** A frame of a user, and what became of it. */
function frameOf(userId: string): LongFrame & { fate: string } {
  return {
    userId,
    fate: '',
    admit() {
      this.fate = 'admitted'
    },
    expire() {
      this.fate = 'expired'
    },
  }
}

it('lets so many long frames in at once, and then who waited longest', () => {
  const intake = new RoomIntake(2, new ManualClock())
  const [ann, bob, eve, kim] = ['ann', 'bob', 'eve', 'kim'].map(frameOf) as ReturnType<typeof frameOf>[]
  expect([ann!, bob!, eve!, kim!].map((frame) => intake.enter(frame))).toEqual([true, true, false, false])
  intake.leave(bob!)
  expect([eve!.fate, kim!.fate]).toEqual(['admitted', ''])
  intake.leave(ann!)
  expect(kim!.fate).toBe('admitted')
})

it('lets one frame of a user in, and others past those who wait for themselves', () => {
  const intake = new RoomIntake(2, new ManualClock())
  const [first, second, bob, eve] = ['ann', 'ann', 'bob', 'eve'].map(frameOf) as ReturnType<typeof frameOf>[]
  expect([first!, second!, bob!, eve!].map((frame) => intake.enter(frame))).toEqual([
    true,
    false,
    true,
    false,
  ])
  intake.leave(bob!)
  expect([second!.fate, eve!.fate]).toEqual(['', 'admitted'])
  intake.leave(first!)
  expect(second!.fate).toBe('admitted')
})

it('forgets who waited in vain', () => {
  const intake = new RoomIntake(1, new ManualClock())
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(frameOf) as ReturnType<typeof frameOf>[]
  for (const frame of [ann!, bob!, eve!]) intake.enter(frame)
  intake.leave(bob!)
  intake.leave(ann!)
  intake.leave(ann!)
  expect([bob!.fate, eve!.fate]).toEqual(['', 'admitted'])
})

it('takes the place of who does not come to an end', () => {
  const clock = new ManualClock()
  const intake = new RoomIntake(1, clock)
  const [ann, bob] = ['ann', 'bob'].map(frameOf) as ReturnType<typeof frameOf>[]
  intake.enter(ann!)
  clock.advance(299_000)
  expect(ann!.fate).toBe('')
  clock.advance(1_000)
  expect(ann!.fate).toBe('expired')
  intake.leave(ann!)
  expect(intake.enter(bob!)).toBe(true)
  intake.leave(bob!)
  clock.advance(600_000)
  expect(bob!.fate).toBe('')
})

it('holds a connection back without closing it, until its turn has come', async () => {
  // One file is larger than all that may be in flight: there is one place.
  const app = await startApp({ MAX_MEDIA_BYTES: '200000000' })
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  const [ann, bob] = [await enter(app, people[0], roomId), await enter(app, people[1], roomId)]
  const long = fileFrame({ message_type: 'media' }, Buffer.concat([mp3(), Buffer.alloc(2_000_000)]))
  // A frame that never ends: only its first megabyte comes.
  const stuck = await enter(app, people[0], roomId, { autoPong: false })
  stuck.sendPart(long.subarray(0, 1_000_000))
  await toldBefore(ann)
  bob.sendRaw(long)
  bob.send({ message_type: 'message', message: 'after it' })
  const meanwhile = []
  for (let i = 0; i < 30; i++) meanwhile.push(await toldBefore(ann))
  app.clock.advance(40_000)
  meanwhile.push(await toldBefore(ann))
  expect(meanwhile.flat().filter(({ username }) => username === people[1].username)).toEqual([])
  app.clock.advance(40_000)
  expect(await stuck.closed).toBe(1001)
  expect(await told(ann, 'chat.media')).toMatchObject({ username: people[1].username })
  expect((await told(ann, 'chat.message')).text_content).toBe('after it')
})
