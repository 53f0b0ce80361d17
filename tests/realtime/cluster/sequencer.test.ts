import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Sequencer } from '../../../src/realtime/cluster/sequencer.ts'
import { ManualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { rounds } from '../../support/stress.ts'

const GAP_TIMEOUT_MS = 50
const RETRY_DELAY_MS = 1_000

/** A stored stream that is read in batches, and a sequencer that delivers it. */
function openStream({ position = 0 }: { position?: number } = {}) {
  const clock = new ManualClock()
  const delivered: number[] = []
  const failures: unknown[] = []
  const state = { stored: position, reads: 0, batchSize: 5, downAt: 0, isDown: false, isGone: false }
  const sequencer = new Sequencer<number>({
    clock,
    deliver: (seq) => void delivered.push(seq),
    onError: (error) => void failures.push(error),
    async catchUp(_key, after = 0) {
      state.reads++
      const upTo = Math.min(state.stored, after + state.batchSize)
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

describe('Sequencer', () => {
  it('delivers the next item immediately', () => {
    const { receive, delivered } = started(7)
    for (const seq of [8, 9, 10]) receive(seq)
    expect(delivered).toEqual([8, 9, 10])
  })

  it('drops items that were delivered before', () => {
    const { receive, delivered } = started(7)
    for (const seq of [8, 8, 7, 3, 9, 8]) receive(seq)
    expect(delivered).toEqual([8, 9])
  })

  it('waits for a late item before it reads from storage', () => {
    const { receive, delivered, clock, state } = started()
    for (const seq of [3, 2]) receive(seq)
    clock.advance(GAP_TIMEOUT_MS - 1)
    expect(delivered).toEqual([])
    receive(1)
    expect(delivered).toEqual([1, 2, 3])
    clock.advance(GAP_TIMEOUT_MS)
    expect(state.reads).toBe(0)
  })

  it('reads a missing item from storage, and drops it when it arrives later', async () => {
    const { receive, delivered, clock } = started()
    for (const seq of [2, 4]) receive(seq)
    clock.advance(GAP_TIMEOUT_MS)
    receive(5)
    await eventually(() => expect(delivered).toEqual([1, 2, 3, 4, 5]))
    for (const seq of [3, 1, 6]) receive(seq)
    expect(delivered).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('reports a failed read and retries it', async () => {
    const { receive, delivered, failures, clock, state } = started()
    state.isDown = true
    receive(2)
    clock.advance(GAP_TIMEOUT_MS)
    await eventually(() => expect(failures).toMatchObject([{ message: 'down' }]))
    state.isDown = false
    receive(3)
    await eventually(() => {
      clock.advance(RETRY_DELAY_MS)
      expect(delivered).toEqual([1, 2, 3])
    })
  })

  it('does not deliver a batch again after the read of the next one failed', async () => {
    const { delivered, clock, state, sequencer } = started()
    Object.assign(state, { stored: 3, batchSize: 2, downAt: 2 })
    sequencer.check('stream', 3)
    await setImmediate()
    expect(delivered).toEqual([1, 2])
    await eventually(() => {
      clock.advance(RETRY_DELAY_MS)
      expect(delivered).toEqual([1, 2, 3])
    })
  })

  it('retries a failed read when the stream is checked', async () => {
    const { delivered, clock, state, sequencer } = started()
    state.isDown = true
    sequencer.check('stream', 1)
    await setImmediate()
    sequencer.check('stream', 1)
    Object.assign(state, { isDown: false, stored: 1 })
    await eventually(() => {
      clock.advance(RETRY_DELAY_MS)
      expect(delivered).toEqual([1])
    })
  })

  it('continues to read when the target is raised during a read', async () => {
    const { delivered, state, sequencer } = started()
    state.stored = 1
    sequencer.check('stream', 1)
    state.stored = 2
    sequencer.check('stream', 2)
    await eventually(() => expect(delivered).toEqual([1, 2]))
  })

  it('delivers items that arrived before the start in order, even if the start position includes them', () => {
    const { sequencer, receive, delivered } = openStream()
    for (const seq of [5, 6]) receive(seq)
    expect(delivered).toEqual([])
    sequencer.start([['stream', 6]])
    expect(delivered).toEqual([5, 6])
    receive(7)
    expect(delivered).toEqual([5, 6, 7])
  })

  it('reads an unknown stream, unless it is followed meanwhile', async () => {
    const known = openStream()
    known.sequencer.start([])
    known.receive(8)
    known.sequencer.follow('stream', 7)
    expect(known.delivered).toEqual([8])

    const unknown = openStream()
    unknown.sequencer.start([])
    unknown.receive(2)
    unknown.clock.advance(GAP_TIMEOUT_MS)
    await eventually(() => expect(unknown.delivered).toEqual([1, 2]))
  })

  it('reads missing items at the end of a stream when it is checked', async () => {
    const { sequencer, delivered, state } = started(2)
    state.stored = 4
    sequencer.check('stream')
    await eventually(() => expect(delivered).toEqual([3, 4]))
    expect(sequencer.positions.get('stream')).toBe(4)
  })

  it('stops following a stream when storage reports that it has ended', async () => {
    const { sequencer, receive, state } = started(2)
    state.isGone = true
    sequencer.check('stream')
    await eventually(() => expect(sequencer.positions.has('stream')).toBe(false))
    receive(9)
    expect(state.reads).toBe(1)
  })

  it('skips a position that storage does not contain', async () => {
    const { receive, delivered, clock, state, sequencer } = started()
    receive(1)
    sequencer.accept('stream', 9, 9)
    state.stored = 1
    clock.advance(GAP_TIMEOUT_MS)
    await eventually(() => expect(sequencer.positions.get('stream')).toBe(9))
    receive(10)
    expect(delivered).toEqual([1, 10])
  })

  it('delivers nothing after it is stopped', async () => {
    const { sequencer, receive, delivered, clock, state } = started()
    receive(2)
    sequencer.stop()
    clock.advance(GAP_TIMEOUT_MS)
    sequencer.check('stream')
    expect([delivered, state.reads]).toEqual([[], 0])
  })

  it('discards a read when the stream is stopped or forgotten meanwhile', async () => {
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

  it('does not start after it is stopped', () => {
    const { sequencer, receive, delivered } = openStream()
    receive(1)
    sequencer.stop()
    sequencer.start([['stream', 1]])
    receive(2)
    expect(delivered).toEqual([])
  })

  it('delivers each item once and in order when items are late, lost or repeated', async () => {
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
          clock.advance(GAP_TIMEOUT_MS)
          await Promise.resolve()
        }
        sequencer.check('stream', state.stored)
        const all = Array.from({ length: state.stored }, (_, i) => i + 1)
        await eventually(() => expect(sequencer.positions.get('stream')).toBe(state.stored))
        expect(delivered).toEqual(all)
      }),
      { numRuns: rounds(50, 300) },
    )
  })
})
