import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { PLOTS, plot } from './plot.ts'
import type { BenchOptions, Report, Result } from './result.ts'
import { measureConnections } from './scenarios/connections.ts'
import { measureDatabase } from './scenarios/database.ts'
import { measureEncryption } from './scenarios/encryption.ts'
import { measureFanout } from './scenarios/fanout.ts'
import { measureHistory, measureLogin } from './scenarios/http.ts'
import { measureNodes } from './scenarios/nodes.ts'
import { measurePresence } from './scenarios/presence.ts'
import { measureRooms } from './scenarios/rooms.ts'
import { measureSearch } from './scenarios/search.ts'
import { measureGroups, measurePairs } from './scenarios/sends.ts'
import { measureSignIn } from './scenarios/sign-in.ts'
import { bareWs } from './subjects/bare-ws.ts'
import { Parley, parleyEmbedded, parleyOnPostgres } from './subjects/parley.ts'
import { socketIo } from './subjects/socket-io.ts'
import type { RoomSubject, Subject, SubjectKind } from './subjects/subject.ts'
import { formatTables } from './table.ts'

type Scenario = (subject: Subject, benchOptions: BenchOptions, report: Report) => Promise<void>

/** A scenario that uses the API of Parley. */
function parleyOnly(
  measure: (subject: Parley, benchOptions: BenchOptions, report: Report) => Promise<void>,
): Scenario {
  return async (subject, benchOptions, report) => {
    if (subject instanceof Parley) await measure(subject, benchOptions, report)
  }
}

/** A scenario of subjects that have rooms. */
const withRooms: Scenario = async (subject, benchOptions, report) => {
  if (hasRooms(subject)) await measureRooms(subject, benchOptions, report)
}

function hasRooms(subject: Subject): subject is Subject & RoomSubject {
  return 'createRoom' in subject
}

/** Each scenario starts new processes, so that it is not affected by earlier ones. */
const SCENARIOS: Record<string, { measure: Scenario; subjects: SubjectKind[] }> = {
  sends: { measure: measurePairs, subjects: [parleyOnPostgres, parleyEmbedded, socketIo, bareWs] },
  groups: { measure: measureGroups, subjects: [parleyOnPostgres, socketIo] },
  fanout: { measure: measureFanout, subjects: [parleyOnPostgres, socketIo, bareWs] },
  rooms: { measure: withRooms, subjects: [parleyOnPostgres, socketIo] },
  presence: { measure: parleyOnly(measurePresence), subjects: [parleyOnPostgres] },
  connections: { measure: measureConnections, subjects: [parleyOnPostgres, socketIo, bareWs] },
  history: { measure: parleyOnly(measureHistory), subjects: [parleyOnPostgres] },
  login: { measure: parleyOnly(measureLogin), subjects: [parleyOnPostgres] },
  'sign-in': { measure: parleyOnly(measureSignIn), subjects: [parleyOnPostgres] },
  search: { measure: parleyOnly(measureSearch), subjects: [parleyOnPostgres] },
}

/** Scenarios that start their own processes. */
const STANDALONE_SCENARIOS: Record<string, (benchOptions: BenchOptions, report: Report) => Promise<void>> = {
  nodes: measureNodes,
  database: measureDatabase,
  encryption: measureEncryption,
}
const NAMES = [...Object.keys(SCENARIOS), ...Object.keys(STANDALONE_SCENARIOS)]

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    plots: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: NAMES },
  },
})

const benchOptions: BenchOptions = {
  seconds: options.quick ? 2 : Number(options.seconds),
  quick: options.quick,
}
const results: Result[] = []
const report: Report = (result) => {
  results.push(result)
  console.error(`${result.scenario}, ${result.size}, ${result.subject}: ${JSON.stringify(result.figures)}`)
}

for (const name of options.only.flatMap((names) => names.split(','))) {
  const measure = STANDALONE_SCENARIOS[name]
  if (measure) await measure(benchOptions, report)
  else await run(name)
}
if (options.plots) await drawPlots()
console.log(options.json ? JSON.stringify(results, null, 2) : formatTables(results))

const lost = results.filter(({ figures }) => (figures.lost ?? 0) !== 0)
if (lost.length)
  console.error(`Messages or requests were lost in ${lost.length} runs. Their figures are invalid.`)
process.exit(lost.length ? 1 : 0)

async function run(name: string): Promise<void> {
  const scenario = SCENARIOS[name]
  if (!scenario) throw new Error(`There is no scenario ${name}: ${NAMES.join(', ')}.`)
  for (const kind of scenario.subjects) {
    const subject = await kind.start()
    try {
      await scenario.measure(subject, benchOptions, report)
    } finally {
      await subject.stop()
    }
  }
}

async function drawPlots(): Promise<void> {
  const folder = new URL('../../docs/performance/', import.meta.url)
  await mkdir(folder, { recursive: true })
  for (const [name, curve] of Object.entries(PLOTS)) {
    if (!results.some(({ scenario }) => scenario === curve.scenario)) continue
    await writeFile(new URL(`${name}.svg`, folder), plot(curve, results))
  }
}
