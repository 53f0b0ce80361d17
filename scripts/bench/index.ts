import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CURVES, plot } from './plot.ts'
import type { Effort, Report, Result } from './result.ts'
import { measureConnections } from './scenarios/connections.ts'
import { measureDatabaseFloor } from './scenarios/database.ts'
import { measureFanout } from './scenarios/fanout.ts'
import { measureHistory, measureLogin } from './scenarios/http.ts'
import { measureNodes } from './scenarios/nodes.ts'
import { measurePresence } from './scenarios/presence.ts'
import { measureGroups, measurePairs } from './scenarios/sends.ts'
import { floor } from './subjects/floor.ts'
import { Parley, parleyEmbedded, parleyOnPostgres } from './subjects/parley.ts'
import { socketIo } from './subjects/socket-io.ts'
import type { Subject, SubjectKind } from './subjects/subject.ts'
import { formatTables } from './table.ts'

type Scenario = (subject: Subject, effort: Effort, report: Report) => Promise<void>

/** A scenario that needs the chat's own API. */
function ofParley(measure: (subject: Parley, effort: Effort, report: Report) => Promise<void>): Scenario {
  return async (subject, effort, report) => {
    if (subject instanceof Parley) await measure(subject, effort, report)
  }
}

/** Each begins with fresh processes, so that no subject pays for what an earlier scenario left behind. */
const SCENARIOS: Record<string, { measure: Scenario; subjects: SubjectKind[] }> = {
  sends: { measure: measurePairs, subjects: [parleyOnPostgres, parleyEmbedded, socketIo, floor] },
  groups: { measure: measureGroups, subjects: [parleyOnPostgres, socketIo] },
  fanout: { measure: measureFanout, subjects: [parleyOnPostgres, socketIo, floor] },
  presence: { measure: ofParley(measurePresence), subjects: [parleyOnPostgres] },
  connections: { measure: measureConnections, subjects: [parleyOnPostgres, socketIo, floor] },
  history: { measure: ofParley(measureHistory), subjects: [parleyOnPostgres] },
  login: { measure: ofParley(measureLogin), subjects: [parleyOnPostgres] },
}

/** These start what they measure themselves. */
const OTHERS: Record<string, (effort: Effort, report: Report) => Promise<void>> = {
  nodes: measureNodes,
  database: measureDatabaseFloor,
}
const NAMES = [...Object.keys(SCENARIOS), ...Object.keys(OTHERS)]

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    plots: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: NAMES },
  },
})

const effort: Effort = { seconds: options.quick ? 2 : Number(options.seconds), quick: options.quick }
const results: Result[] = []
const report: Report = (result) => {
  results.push(result)
  console.error(`${result.scenario}, ${result.size}, ${result.subject}: ${JSON.stringify(result.figures)}`)
}

for (const name of options.only.flatMap((names) => names.split(','))) {
  const measure = OTHERS[name]
  if (measure) await measure(effort, report)
  else await run(name)
}
if (options.plots) await drawPlots()
console.log(options.json ? JSON.stringify(results, null, 2) : formatTables(results))

const lost = results.filter(({ figures }) => (figures.lost ?? 0) !== 0)
if (lost.length) console.error(`Something was lost in ${lost.length} runs: their figures do not count.`)
process.exit(lost.length ? 1 : 0)

async function run(name: string): Promise<void> {
  const scenario = SCENARIOS[name]
  if (!scenario) throw new Error(`There is no scenario ${name}: ${NAMES.join(', ')}.`)
  for (const kind of scenario.subjects) {
    const subject = await kind.start()
    try {
      await scenario.measure(subject, effort, report)
    } finally {
      await subject.stop()
    }
  }
}

async function drawPlots(): Promise<void> {
  const folder = new URL('../../docs/performance/', import.meta.url)
  await mkdir(folder, { recursive: true })
  for (const [name, curve] of Object.entries(CURVES)) {
    if (!results.some(({ scenario }) => scenario === curve.scenario)) continue
    await writeFile(new URL(`${name}.svg`, folder), plot(curve, results))
  }
}
