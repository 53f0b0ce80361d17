import type { Journal } from './journal.ts'
import type { ChaosOptions } from './run.ts'

/** Formats the result of a run as text. */
export function formatReport(journal: Journal, { seed, durationMs, nodes }: ChaosOptions): string {
  const lines = [`seed ${seed}, ${nodes} nodes, ${durationMs / 60_000} minutes`, '']
  for (const [name, count] of [...journal.counts].sort(([a], [b]) => a.localeCompare(b)))
    lines.push(`${String(count).padStart(8)}  ${name}`)
  lines.push('', `${journal.violationCount} violations`)
  for (const { what, details } of journal.violations) {
    lines.push('', `- ${what}`)
    for (const detail of details) lines.push(`    ${detail}`)
  }
  return lines.join('\n')
}
