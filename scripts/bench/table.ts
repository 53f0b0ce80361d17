import type { Result } from './result.ts'

/** Formats measurements as one table per scenario: subjects in rows, figures in columns. */
export function formatTables(results: readonly Result[]): string {
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))]
  return scenarios.map((scenario) => formatScenario(scenario, results)).join('\n\n')
}

function formatScenario(scenario: string, results: readonly Result[]): string {
  const rows = results.filter((result) => result.scenario === scenario)
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const header = ['', 'subject', ...names]
  const lines = rows.map(({ size, subject, figures }) => [
    size,
    subject,
    ...names.map((name) => format(figures[name])),
  ])
  const widths = header.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i]?.length ?? 0)))
  const pad = (line: string[]) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [`### ${scenario}`, '', pad(header), rule, ...lines.map(pad)].join('\n')
}

function format(figure: number | undefined): string {
  if (figure === undefined) return ''
  if (Math.abs(figure) >= 1000) return Math.round(figure).toLocaleString('en-US')
  return String(Number(figure.toPrecision(3)))
}
