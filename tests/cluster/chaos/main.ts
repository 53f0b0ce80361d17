import { parseArgs } from 'node:util'
import { formatReport } from './report.ts'
import { type ChaosOptions, runChaos } from './run.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nodes: { type: 'string', default: '3' },
  },
})
const options: ChaosOptions = {
  seed: Number(values.seed),
  durationMs: Number(values.minutes) * 60_000,
  nodes: Number(values.nodes),
}
// Child processes are killed when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
console.log(`Seed ${options.seed}.`)
const journal = await runChaos(options)
console.log(formatReport(journal, options))
process.exit(journal.violationCount ? 1 : 0)
