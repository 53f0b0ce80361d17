import { describe, expect, it } from 'vitest'
import { PLOTS, plot } from '../scripts/bench/plot.ts'
import type { Result } from '../scripts/bench/result.ts'
import { formatTables } from '../scripts/bench/table.ts'

const results: Result[] = [2, 50].flatMap((members) =>
  ['parley', 'socket.io'].map((subject) => ({
    scenario: 'group sends',
    size: `${members} members`,
    subject,
    figures: { 'acked/s': 12_345.6, 'CPU µs': members * 1.2345, lost: 0 },
  })),
)

describe('the benchmark', () => {
  it('prints one table per scenario, with three significant digits', () => {
    expect(formatTables(results)).toBe(
      [
        '### group sends',
        '',
        '|            | subject   | acked/s | CPU µs | lost |',
        '|------------|-----------|---------|--------|------|',
        '| 2 members  | parley    | 12,346  | 2.47   | 0    |',
        '| 2 members  | socket.io | 12,346  | 2.47   | 0    |',
        '| 50 members | parley    | 12,346  | 61.7   | 0    |',
        '| 50 members | socket.io | 12,346  | 61.7   | 0    |',
      ].join('\n'),
    )
  })

  it('draws one curve per subject', () => {
    const curve = PLOTS['group-cpu']
    if (!curve) throw new Error('The plot group-cpu is not defined.')
    const svg = plot(curve, results)
    expect(svg.match(/<path /g)).toHaveLength(2)
    expect(svg.match(/<circle /g)).toHaveLength(4)
    for (const label of ['CPU of one message', 'members', 'parley', 'socket.io', '>50<'])
      expect(svg).toContain(label)
  })
})
