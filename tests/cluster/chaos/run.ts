import { setTimeout as sleep } from 'node:timers/promises'
import { Actions } from './actions.ts'
import { CAST, type Cast } from './cast.ts'
import { type Difference, differences } from './differences.ts'
import { Faults } from './faults.ts'
import { Journal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { MemoryWatch } from './memory.ts'
import { checkRosters } from './probes.ts'
import { checkPromises } from './promises.ts'
import { type Action, makeSchedule, type Schedule, type Timed } from './schedule.ts'
import { openSite, type Site } from './site.ts'
import { readTruth } from './truth.ts'

export interface ChaosOptions {
  seed: number
  /** Milliseconds of faults and actions. */
  lasts: number
  nodes: number
  /** Who takes part; some pairs, groups and rooms unless it is said. */
  cast?: Cast
  /** What happens; what the seed makes of it unless it is said. */
  schedule?: Schedule
}

/** Everything that was asked must have been answered so long after all is healed. */
const ANSWERED_WITHIN_MS = 60_000
/** So long after that everybody must know everything. */
const TOLD_WITHIN_MS = 30_000
const PAUSE_MS = 250

/** Runs a site under faults, heals it, and holds it to its promises. */
export async function runChaos(options: ChaosOptions): Promise<Journal> {
  const { seed, lasts, nodes, cast = CAST } = options
  const journal = new Journal()
  const ledger = new Ledger()
  const site = await openSite({ seed, nodes, cast, journal })
  try {
    const { faults, actions } = options.schedule ?? makeSchedule({ seed, lasts, nodes, cast })
    const memory = new MemoryWatch(site.cluster.nodes)
    const troublemaker = new Faults(site, journal)
    const everybody = new Actions({ site, cast, ledger, journal })
    await until('everybody is there', journal, ANSWERED_WITHIN_MS, async () => unsettled(site))
    const [undone] = await Promise.all([
      play(faults, (fault) => troublemaker.perform(fault)),
      play(actions, (action) => perform(everybody, action, journal)),
    ])
    await Promise.all(undone)
    journal.note('everything is healed')
    await until('everything is answered', journal, ANSWERED_WITHIN_MS, async () => ledger.waiting)
    sayClosingWords(site, everybody)
    await until('the last words are answered', journal, ANSWERED_WITHIN_MS, async () => ledger.waiting)
    await until('everybody is back', journal, ANSWERED_WITHIN_MS, async () => unsettled(site))
    await untilToldOfAll(site, ledger, journal)
    await checkRosters(site, journal)
    const truth = await readTruth(site.cluster.postgres.url)
    checkPromises({ site, truth, ledger, journal })
    memory.stop(journal)
    for (const node of site.cluster.nodes) for (const exit of node.unexpectedExits) journal.violation(exit)
    return journal
  } finally {
    await site.dispose()
  }
}

/** Starts each thing at its time. @returns what was started. */
async function play<T>(things: Timed<T>[], start: (thing: T) => Promise<void>): Promise<Promise<void>[]> {
  const startedAt = Date.now()
  const started: Promise<void>[] = []
  for (const thing of things) {
    await sleep(Math.max(0, startedAt + thing.at - Date.now()))
    started.push(start(thing))
  }
  return started
}

/** A client that does not understand an answer is a violation too. */
async function perform(everybody: Actions, action: Action, journal: Journal): Promise<void> {
  try {
    await everybody.perform(action)
  } catch (error) {
    journal.violation(`${action.kind} failed: ${error}`)
  }
}

/** A message to each conversation and room by each of their people, so that everybody hears of whatever came before. */
function sayClosingWords({ conversations, rooms, people }: Site, { talking, visiting }: Actions): void {
  for (const person of people) {
    const isIn = (topic: string) => person.devices.some((device) => device.isIn(topic))
    for (const id of conversations) if (isIn(`conversation:${id}`)) void talking.send(person, id, 'none')
    for (const id of rooms) if (isIn(`room:${id}`)) void visiting.say(person, id, 'none')
  }
}

/** Waits until all devices know what is so: without being asked, or that is a violation. */
async function untilToldOfAll(site: Site, ledger: Ledger, journal: Journal): Promise<void> {
  let wrong: Difference[] = []
  const compare = async () => {
    wrong = differences(site, await readTruth(site.cluster.postgres.url))
    return wrong.map(({ what }) => what)
  }
  if (await holds(compare, TOLD_WITHIN_MS)) return
  const before = wrong
  for (const device of site.devices) device.reload()
  await sleep(1_000)
  await holds(compare, TOLD_WITHIN_MS)
  const after = new Set(wrong.map(subject))
  for (const { what, device, message } of before) {
    const acked = ledger.sent.find((sent) => sent.acked?.group === message)?.acked
    const details = [
      after.has(subject({ what, device }))
        ? 'A new connection did not mend it.'
        : 'A new connection mended it.',
      ...(acked ? [`The message was acked over ${acked.via} at ${acked.at} ms.`] : []),
    ]
    journal.violation(what, { details, device, ...(acked && { around: acked.at }) })
  }
}

/** What a difference is about, wherever the device is connected. */
function subject({ what, device }: Pick<Difference, 'what' | 'device'>): string {
  return `${device} ${what.replace(/ on node \d+/, '').slice(0, 80)}`
}

function unsettled({ devices }: Site): string[] {
  return devices.filter((device) => !device.isSettled).map(({ name }) => name)
}

/** Waits until nothing is left of what is waited for; what is left after the time is a violation. */
async function until(
  what: string,
  journal: Journal,
  ms: number,
  left: () => Promise<string[]>,
): Promise<void> {
  if (await holds(left, ms)) return
  for (const one of await left()) journal.violation(`not in time: ${what}: ${one}`)
}

async function holds(left: () => Promise<string[]>, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  while (Date.now() < deadline) {
    if ((await left()).length === 0) return true
    await sleep(PAUSE_MS)
  }
  return false
}
