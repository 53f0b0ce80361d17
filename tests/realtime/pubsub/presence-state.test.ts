import fc from 'fast-check'
import { Presence } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { PresenceState } from '../../../src/realtime/pubsub/presence-state.ts'
import type { Json } from '../../support/phoenix.ts'
import { rounds } from '../../support/stress.ts'

describe('PresenceState', () => {
  it('is the same for every client that read the state at any time and applied the diffs since', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constantFrom('add', 'remove'), ref: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ what: fc.constantFrom('diff', 'read') }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const state = new PresenceState()
        const present = new Set<string>()
        const readers: Json[] = [{}]
        const sendDiff = () => {
          const diff = state.takeDiff()
          for (const [i, known] of readers.entries()) readers[i] = Presence.syncDiff(known, diff)
        }
        for (const { what, ref } of steps as { what: string; ref?: number }[]) {
          const name = String(ref)
          if (what === 'diff') sendDiff()
          else if (what === 'read') readers.push(Presence.syncState({}, JSON.parse(state.stateJson())))
          else if (what === 'remove' && present.delete(name)) state.remove('key', name)
          else if (what === 'add' && !present.has(name)) {
            present.add(name)
            state.add('key', { phx_ref: name })
          }
        }
        sendDiff()
        for (const known of readers) {
          const refs = (known.key?.metas ?? []).map(({ phx_ref: seen }: Json) => seen)
          expect(refs.sort()).toEqual([...present].sort())
        }
      }),
      { numRuns: rounds(200, 1_000) },
    )
  })
})
