import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BENCH, HABITS, LIMITS } from '../scripts/model/assumptions.ts'
import { learn, perCpuSecond, predict } from '../scripts/model/closed-loop.ts'
import { MEASURED, type Parts, type Row } from '../scripts/model/measured.ts'
import { siteFor } from '../scripts/model/site.ts'
import { modelTables } from '../scripts/model/tables.ts'

/** How far the model may be from what was measured. */
const TOLERANCE = 0.3

const costs = learn(MEASURED)

describe('the model of the closed loop', () => {
  it('learns from two loops of three deployments only', () => {
    const isLearnedFrom = ({ nodes, inFlight }: Row) => nodes < 3 && inFlight !== 20
    const rows = MEASURED.filter(isLearnedFrom)
    expect(rows).toHaveLength(6)
    expect(learn(rows)).toEqual(costs)
  })

  it.each(MEASURED)('has what $nodes node(s) cost, with $inFlight in flight (Redis: $withRedis)', (row) => {
    const predicted = predict(costs, row)
    const off = (part: keyof Parts) => Math.abs(predicted[part] / row[part] - 1)
    expect(off('nodeUs')).toBeLessThan(TOLERANCE)
    expect(off('postgresqlUs')).toBeLessThan(TOLERANCE)
    if (row.withRedis) expect(off('redisUs')).toBeLessThan(TOLERANCE)
    expect(Math.abs(perCpuSecond(predicted) / perCpuSecond(row) - 1)).toBeLessThan(TOLERANCE)
  })
})

describe('the model of a site', () => {
  const needs = (users: number) => siteFor(users, costs, BENCH, HABITS, LIMITS)

  it('needs one node and no Redis for a small one', () => {
    expect(needs(1_000)).toMatchObject({ nodes: 1, redisShards: 0, postgresqlServers: 1 })
  })

  it('grows with its users, and never leaves a part more than half busy', () => {
    const [large, larger] = [needs(1e7), needs(1e8)]
    for (const part of ['nodes', 'redisShards', 'postgresqlServers'] as const) {
      expect(larger[part]).toBeGreaterThan(large[part])
    }
    expect(larger.connections / larger.nodes).toBeLessThanOrEqual(LIMITS.connectionsPerNode)
  })

  it('has presence grow with the square of those who are online', () => {
    const presence = (users: number) => needs(users).presenceBytesPerNode * needs(users).nodes
    expect(presence(1e8) / presence(1e7)).toBeCloseTo(100)
  })
})

it('is what docs/scaling.md shows', () => {
  const page = readFileSync(new URL('../docs/scaling.md', import.meta.url), 'utf8')
  for (const table of modelTables().split(/^### .*$/m)) expect(page).toContain(table.trim())
})
