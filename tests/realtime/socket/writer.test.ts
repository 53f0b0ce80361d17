import { Duplex } from 'node:stream'
import { setImmediate as tick } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { FrameBatch } from '../../../src/realtime/socket/frame-batch.ts'
import { SlowConsumers } from '../../../src/realtime/socket/slow-consumers.ts'
import { Writer, type WriteTarget } from '../../../src/realtime/socket/writer.ts'
import { ManualClock } from '../../support/clock.ts'

class Recorder implements WriteTarget {
  readonly writes: Buffer[] = []
  pending: FrameBatch | undefined
  isStuck = false
  isTerminated = false
  readonly stream = new Duplex({
    write: (chunk: Buffer, _encoding, done) => {
      this.writes.push(chunk)
      if (!this.isStuck) done()
    },
  })

  get bufferedBytes(): number {
    return this.stream.writableLength
  }

  terminate(): void {
    this.isTerminated = true
    this.stream.destroy()
  }

  get received(): string {
    return Buffer.concat(this.writes).toString()
  }
}

function makeWriter(maxBufferedBytes = 10_000_000) {
  return new Writer(new SlowConsumers(maxBufferedBytes, new ManualClock()))
}

it('writes to each target exactly its own frames, in order', async () => {
  const frame = fc.oneof(fc.string({ minLength: 1 }), fc.constant('x'.repeat(9_000)))
  const write = fc.record({ frame, readers: fc.uniqueArray(fc.nat(4), { minLength: 1 }), ends: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
      const writer = makeWriter()
      const readers = Array.from({ length: 5 }, () => new Recorder())
      const expected = readers.map(() => '')
      for (const { frame: text, readers: chosen, ends } of writes) {
        const bytes = Buffer.from(text)
        for (const i of chosen) {
          writer.write(readers[i] as Recorder, bytes)
          expected[i] += text
        }
        if (ends) await tick()
      }
      await tick()
      expect(readers.map(({ received }) => received)).toEqual(expected)
    }),
    { numRuns: 50 },
  )
})

it('writes a burst as one buffer that is shared by all targets', async () => {
  const writer = makeWriter()
  const [ann, bob] = [new Recorder(), new Recorder()]
  for (const text of ['one', 'two', 'three']) {
    const frame = Buffer.from(text)
    for (const reader of [ann, bob]) writer.write(reader, frame)
  }
  await tick()
  expect(ann.writes.map(String)).toEqual(['onetwothree'])
  expect(bob.writes[0]?.buffer).toBe(ann.writes[0]?.buffer)
})

it('flushes the pending frames of one target immediately', () => {
  const writer = makeWriter()
  const ann = new Recorder()
  writer.write(ann, Buffer.from('one'))
  writer.flush(ann)
  ann.stream.write('goodbye')
  expect(ann.received).toBe('onegoodbye')
})

it('terminates a target far beyond the limit, and writes nothing to a closed one', async () => {
  const writer = makeWriter(100)
  const [slow, gone] = [new Recorder(), new Recorder()]
  slow.isStuck = true
  gone.stream.destroy()
  for (const reader of [slow, gone]) writer.write(reader, Buffer.alloc(2_000))
  await tick()
  expect([slow.isTerminated, gone.isTerminated]).toEqual([true, false])
})
