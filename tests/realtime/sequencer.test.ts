import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Sequencer } from '../../src/realtime/sequencer.ts'
import { ManualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'

const PATIENCE_MS = 50
const AGAIN_MS = 1_000

/** A stream that is stored up to some place and read in parts, and what a sequencer makes of it. */
function openStream({ position = 0 }: { position?: number } = {}) {
  const clock = new ManualClock()
  const delivered: number[] = []
  const failures: unknown[] = []
  const state = { stored: position, reads: 0, atOnce: 5, downAt: 0, isDown: false, isGone: false }
  const sequencer = new Sequencer<number>({
    clock,
    deliver: (seq) => void delivered.push(seq),
    failed: (error) => void failures.push(error),
    async catchUp(_key, after = 0) {
      state.reads++
      const upTo = Math.min(state.stored, after + state.atOnce)
      const isLast = upTo === state.stored
      await Promise.resolve()
      if (state.isDown || state.reads === state.downAt) throw new Error('down')
      if (state.isGone) return { upTo: undefined, isLast: true, deliver() {} }
      const deliver = () => {
        for (let seq = after + 1; seq <= upTo; seq++) delivered.push(seq)
      }
      return { upTo, isLast, deliver }
    },
  })
  const receive = (seq: number) => {
    state.stored = Math.max(state.stored, seq)
    if (!sequencer.accept('stream', seq, seq)) return
    delivered.push(seq)
    sequencer.release('stream')
  }
  return { clock, delivered, failures, state, sequencer, receive }
}

function started(position = 0) {
  const stream = openStream({ position })
  stream.sequencer.start([['stream', position]])
  return stream
}

describe('a sequencer', () => {
  it('delivers what comes in its turn at once', () => {
    const { receive, delivered } = started(7)
    for (const seq of [8, 9, 10]) receive(seq)
    expect(delivered).toEqual([8, 9, 10])
  })

  it('drops what was here before', () => {
    const { receive, delivered } = started(7)
    for (const seq of [8, 8, 7, 3, 9, 8]) receive(seq)
    expect(delivered).toEqual([8, 9])
  })

  it('waits a moment for one that is late, and reads nothing', () => {
    const { receive, delivered, clock, state } = started()
    for (const seq of [3, 2]) receive(seq)
    clock.advance(PATIENCE_MS - 1)
    expect(delivered).toEqual([])
    receive(1)
    expect(delivered).toEqual([1, 2, 3])
    clock.advance(PATIENCE_MS)
    expect(state.reads).toBe(0)
  })

  it('reads one that does not come, and drops it when it comes after all', async () => {
    const { receive, delivered, clock } = started()
    for (const seq of [2, 4]) receive(seq)
    clock.advance(PATIENCE_MS)
    receive(5)
    await eventually(() => expect(delivered).toEqual([1, 2, 3, 4, 5]))
    for (const seq of [3, 1, 6]) receive(seq)
    expect(delivered).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('says so when it cannot read, and tries again', async () => {
    const { receive, delivered, failures, clock, state } = started()
    state.isDown = true
    receive(2)
    clock.advance(PATIENCE_MS)
    await eventually(() => expect(failures).toMatchObject([{ message: 'down' }]))
    state.isDown = false
    receive(3)
    await eventually(() => {
      clock.advance(AGAIN_MS)
      expect(delivered).toEqual([1, 2, 3])
    })
  })

  it('does not deliver a part again when the next one cannot be read', async () => {
    const { delivered, clock, state, sequencer } = started()
    Object.assign(state, { stored: 3, atOnce: 2, downAt: 2 })
    sequencer.check('stream', 3)
    await setImmediate()
    expect(delivered).toEqual([1, 2])
    await eventually(() => {
      clock.advance(AGAIN_MS)
      expect(delivered).toEqual([1, 2, 3])
    })
  })

  it('tries again when it is asked about a stream that could not be read', async () => {
    const { delivered, clock, state, sequencer } = started()
    state.isDown = true
    sequencer.check('stream', 1)
    await setImmediate()
    sequencer.check('stream', 1)
    Object.assign(state, { isDown: false, stored: 1 })
    await eventually(() => {
      clock.advance(AGAIN_MS)
      expect(delivered).toEqual([1])
    })
  })

  it('reads on when more is asked for than was there while it read', async () => {
    const { delivered, state, sequencer } = started()
    state.stored = 1
    sequencer.check('stream', 1)
    state.stored = 2
    sequencer.check('stream', 2)
    await eventually(() => expect(delivered).toEqual([1, 2]))
  })

  it('takes what came before its start in its turn, even if the start is later', () => {
    const { sequencer, receive, delivered } = openStream()
    for (const seq of [5, 6]) receive(seq)
    expect(delivered).toEqual([])
    sequencer.start([['stream', 6]])
    expect(delivered).toEqual([5, 6])
    receive(7)
    expect(delivered).toEqual([5, 6, 7])
  })

  it('reads a stream it does not know, unless it begins meanwhile', async () => {
    const known = openStream()
    known.sequencer.start([])
    known.receive(8)
    known.sequencer.follow('stream', 7)
    expect(known.delivered).toEqual([8])

    const unknown = openStream()
    unknown.sequencer.start([])
    unknown.receive(2)
    unknown.clock.advance(PATIENCE_MS)
    await eventually(() => expect(unknown.delivered).toEqual([1, 2]))
  })

  it('finds out on request what is missing at the end', async () => {
    const { sequencer, delivered, state } = started(2)
    state.stored = 4
    sequencer.check('stream')
    await eventually(() => expect(delivered).toEqual([3, 4]))
    expect(sequencer.positions.get('stream')).toBe(4)
  })

  it('forgets a stream that is of no concern any more', async () => {
    const { sequencer, receive, state } = started(2)
    state.isGone = true
    sequencer.check('stream')
    await eventually(() => expect(sequencer.positions.has('stream')).toBe(false))
    receive(9)
    expect(state.reads).toBe(1)
  })

  it('goes on after a place that is stored nowhere', async () => {
    const { receive, delivered, clock, state, sequencer } = started()
    receive(1)
    sequencer.accept('stream', 9, 9)
    state.stored = 1
    clock.advance(PATIENCE_MS)
    await eventually(() => expect(sequencer.positions.get('stream')).toBe(9))
    receive(10)
    expect(delivered).toEqual([1, 10])
  })

  it('says nothing after it was stopped', async () => {
    const { sequencer, receive, delivered, clock, state } = started()
    receive(2)
    sequencer.stop()
    clock.advance(PATIENCE_MS)
    sequencer.check('stream')
    expect([delivered, state.reads]).toEqual([[], 0])
  })

  it('delivers nothing that was read for a stream when it was stopped, or forgotten, meanwhile', async () => {
    for (const end of ['stop', 'forget'] as const) {
      const { sequencer, delivered, state } = started()
      state.stored = 3
      sequencer.check('stream', 3)
      expect(state.reads).toBe(1)
      sequencer[end]('stream')
      await setImmediate()
      expect(delivered).toEqual([])
    }
  })

  it('does not start any more after it was stopped: what came before is for its successor', () => {
    const { sequencer, receive, delivered } = openStream()
    receive(1)
    sequencer.stop()
    sequencer.start([['stream', 1]])
    receive(2)
    expect(delivered).toEqual([])
  })

  it('delivers each once and in order, whatever is late, lost or repeated', async () => {
    const happening = fc.record({
      seqs: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 40 }),
      pauses: fc.array(fc.boolean(), { maxLength: 40 }),
    })
    await fc.assert(
      fc.asyncProperty(happening, async ({ seqs, pauses }) => {
        const { receive, delivered, clock, state, sequencer } = started()
        for (const [i, seq] of seqs.entries()) {
          receive(seq)
          if (!pauses[i]) continue
          clock.advance(PATIENCE_MS)
          await Promise.resolve()
        }
        sequencer.check('stream', state.stored)
        const all = Array.from({ length: state.stored }, (_, i) => i + 1)
        await eventually(() => expect(sequencer.positions.get('stream')).toBe(state.stored))
        expect(delivered).toEqual(all)
      }),
      { numRuns: 300 },
    )
  })
})
