import fc from 'fast-check'
import { Presence } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { Roster } from '../../src/realtime/roster.ts'
import type { Json } from '../support/phoenix.ts'

describe('a roster', () => {
  it('is the same to everybody who has read it at some moment and was told what changed since', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constantFrom('add', 'remove'), ref: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ what: fc.constantFrom('tell', 'read') }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const roster = new Roster()
        const present = new Set<string>()
        const readers: Json[] = [{}]
        const tell = () => {
          const diff = roster.takeDiff()
          for (const [i, state] of readers.entries()) readers[i] = Presence.syncDiff(state, diff)
        }
        for (const { what, ref } of steps as { what: string; ref?: number }[]) {
          const name = String(ref)
          if (what === 'tell') tell()
          else if (what === 'read') readers.push(Presence.syncState({}, roster.state()))
          else if (what === 'remove' && present.delete(name)) roster.remove('key', name)
          else if (what === 'add' && !present.has(name)) {
            present.add(name)
            roster.add('key', { phx_ref: name })
          }
        }
        tell()
        for (const state of readers) {
          const refs = (state.key?.metas ?? []).map(({ phx_ref: seen }: Json) => seen)
          expect(refs.sort()).toEqual([...present].sort())
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
