import type { Result } from './result.ts'

const WIDTH = 560
const HEIGHT = 300
const MARGIN = { left: 70, right: 150, top: 40, bottom: 50 }
const COLOURS = ['#2f6f9f', '#c2571a', '#3d8b54', '#7a4ea3']

interface PlotOptions {
  title: string
  scenario: string
  figure: string
  x: string
}

/** The plots of docs/performance.md: cost against size. */
export const PLOTS: Record<string, PlotOptions> = {
  'group-cpu': { title: 'CPU of one message', scenario: 'group sends', figure: 'CPU µs', x: 'members' },
  'connection-memory': {
    title: 'Memory of one idle connection',
    scenario: 'idle connections',
    figure: 'KB each',
    x: 'connections',
  },
  'history-cpu': {
    title: 'CPU of one page of history',
    scenario: 'history page',
    figure: 'CPU µs',
    x: 'messages',
  },
  'presence-frames': {
    title: 'Presence frames each client gets',
    scenario: 'presence',
    figure: 'frames each',
    x: 'users',
  },
}

/** Draws one curve per subject: size on a logarithmic axis, cost on a linear axis from 0. */
export function plot({ title, scenario, figure, x }: PlotOptions, results: readonly Result[]): string {
  const points = results
    .filter((result) => result.scenario === scenario && result.figures[figure] !== undefined)
    .map(({ subject, size, figures }) => ({
      subject,
      at: Number.parseInt(size, 10),
      cost: figures[figure] as number,
    }))
  const sizes = points.map(({ at }) => Math.log10(at))
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)]
  const top = Math.max(...points.map(({ cost }) => cost)) * 1.1
  const left = (at: number) =>
    MARGIN.left + ((Math.log10(at) - low) / (high - low || 1)) * (WIDTH - MARGIN.left - MARGIN.right)
  const height = (cost: number) =>
    HEIGHT - MARGIN.bottom - (cost / top) * (HEIGHT - MARGIN.top - MARGIN.bottom)
  const ticks = [...new Set(points.map(({ at }) => at))].sort((a, b) => a - b)
  const subjects = [...new Set(points.map(({ subject }) => subject))]
  const curves = subjects.map((subject, i) => {
    const own = points.filter((point) => point.subject === subject)
    const colour = COLOURS[i % COLOURS.length]
    const path = own
      .map(({ at, cost }, n) => `${n ? 'L' : 'M'}${left(at).toFixed(1)} ${height(cost).toFixed(1)}`)
      .join('')
    const dots = own.map(
      ({ at, cost }) =>
        `<circle cx="${left(at).toFixed(1)}" cy="${height(cost).toFixed(1)}" r="3" fill="${colour}"/>`,
    )
    const label = `<text x="${WIDTH - MARGIN.right + 14}" y="${MARGIN.top + 12 + i * 18}" fill="${colour}">${subject}</text>`
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}${label}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<title>${title} (${figure}) against ${x}</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${MARGIN.left}" y="22" font-size="14" font-weight="bold">${title} (${figure})</text>
${[0, 0.5, 1].map((part) => grid(height((top / 1.1) * part), (top / 1.1) * part)).join('\n')}
${ticks.map((at) => `<text x="${left(at).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${at.toLocaleString('en-US')}</text>`).join('\n')}
<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${x}</text>
${curves.join('\n')}
</svg>
`
}

function grid(y: number, value: number): string {
  const label = Number(value.toPrecision(3)).toLocaleString('en-US')
  return (
    `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#dddddd"/>` +
    `<text x="${MARGIN.left - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end">${label}</text>`
  )
}
