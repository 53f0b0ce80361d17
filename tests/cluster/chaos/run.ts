import { setTimeout as sleep } from 'node:timers/promises'
import { ActionRunner } from './action-runner.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import { type Difference, differences } from './differences.ts'
import { FaultInjector } from './fault-injector.ts'
import { checkInvariants } from './invariants.ts'
import { Journal } from './journal.ts'
import { MemoryMonitor } from './memory-monitor.ts'
import { OperationLog } from './operation-log.ts'
import { DEFAULT_POPULATION, type Population } from './population.ts'
import { checkPresenceOnNodes } from './presence-check.ts'
import { type Action, makeSchedule, type Schedule, type Timed } from './schedule.ts'
import { readStoredState } from './stored-state.ts'

export interface ChaosOptions {
  seed: number
  /** How long faults and actions go on, in milliseconds. */
  durationMs: number
  nodes: number
  /** Default: `DEFAULT_POPULATION`. */
  population?: Population
  /** Default: a random schedule from the seed. */
  schedule?: Schedule
}

/** All requests must be answered within this time after the last fault has ended. */
const ANSWER_TIMEOUT_MS = 60_000
/** Then all devices must match the database within this time. */
const CONVERGENCE_TIMEOUT_MS = 30_000
const POLL_INTERVAL_MS = 250

/** Starts a deployment, runs a schedule of faults and actions, ends all faults, and then checks all guarantees. */
export async function runChaos(options: ChaosOptions): Promise<Journal> {
  const { seed, durationMs, nodes, population = DEFAULT_POPULATION } = options
  const journal = new Journal()
  const operations = new OperationLog()
  const deployment = await startDeployment({ seed, nodes, population, journal })
  try {
    const { faults, actions } = options.schedule ?? makeSchedule({ seed, durationMs, nodes, population })
    const memory = new MemoryMonitor(deployment.cluster.nodes)
    const injector = new FaultInjector(deployment, journal)
    const runner = new ActionRunner({ deployment, population, operations, journal })
    await until('all devices are connected', journal, ANSWER_TIMEOUT_MS, async () =>
      disconnectedDevices(deployment),
    )
    const [faultsEnded] = await Promise.all([
      play(faults, (fault) => injector.perform(fault)),
      play(actions, (action) => perform(runner, action, journal)),
    ])
    await Promise.all(faultsEnded)
    journal.note('all faults have ended')
    await until('all requests are answered', journal, ANSWER_TIMEOUT_MS, async () => operations.unanswered)
    sendFinalMessages(deployment, runner)
    await until(
      'the final messages are answered',
      journal,
      ANSWER_TIMEOUT_MS,
      async () => operations.unanswered,
    )
    await until('all devices are connected again', journal, ANSWER_TIMEOUT_MS, async () =>
      disconnectedDevices(deployment),
    )
    await awaitConvergence(deployment, operations, journal)
    await checkPresenceOnNodes(deployment, journal)
    const state = await readStoredState(deployment.cluster.postgres.url)
    checkInvariants({ deployment, state, operations, journal })
    memory.stop(journal)
    for (const node of deployment.cluster.nodes)
      for (const exit of node.unexpectedExits) journal.violation(exit)
    return journal
  } finally {
    await deployment.dispose()
  }
}

/** Starts each item at its time. @returns the promises of all items. */
async function play<T>(items: Timed<T>[], start: (item: T) => Promise<void>): Promise<Promise<void>[]> {
  const startedAt = Date.now()
  const started: Promise<void>[] = []
  for (const item of items) {
    await sleep(Math.max(0, startedAt + item.at - Date.now()))
    started.push(start(item))
  }
  return started
}

/** An error in a client, for example an unexpected response, is a violation too. */
async function perform(runner: ActionRunner, action: Action, journal: Journal): Promise<void> {
  try {
    await runner.perform(action)
  } catch (error) {
    journal.violation(`${action.kind} failed: ${error}`)
  }
}

/** Each member sends a message to each conversation and room, which makes every gap before it visible. */
function sendFinalMessages(
  { people, ...deployment }: Deployment,
  { conversations, rooms }: ActionRunner,
): void {
  for (const person of people) {
    const hasJoined = (topic: string) => person.devices.some((device) => device.hasJoined(topic))
    for (const id of deployment.conversations)
      if (hasJoined(`conversation:${id}`)) void conversations.send(person, id, 'none')
    for (const id of deployment.rooms) if (hasJoined(`room:${id}`)) void rooms.send(person, id, 'none')
  }
}

/** Waits until all devices match the database without reconnecting. What does not match in time is a violation. */
async function awaitConvergence(
  deployment: Deployment,
  operations: OperationLog,
  journal: Journal,
): Promise<void> {
  let current: Difference[] = []
  const compare = async () => {
    current = differences(deployment, await readStoredState(deployment.cluster.postgres.url))
    return current.map(({ what }) => what)
  }
  if (await becomesEmpty(compare, CONVERGENCE_TIMEOUT_MS)) return
  const before = current
  for (const device of deployment.devices) device.reload()
  await sleep(1_000)
  await becomesEmpty(compare, CONVERGENCE_TIMEOUT_MS)
  const after = new Set(current.map(subject))
  for (const { what, device, message } of before) {
    const acked = operations.sent.find((sent) => sent.acked?.group === message)?.acked
    const details = [
      after.has(subject({ what, device }))
        ? 'Reconnecting did not correct it.'
        : 'Reconnecting corrected it.',
      ...(acked ? [`The message was acked over ${acked.via} at ${acked.at} ms.`] : []),
    ]
    journal.violation(what, { details, device, ...(acked && { around: acked.at }) })
  }
}

/** Identifies a difference, regardless of the node that the device is connected to. */
function subject({ what, device }: Pick<Difference, 'what' | 'device'>): string {
  return `${device} ${what.replace(/ on node \d+/, '').slice(0, 80)}`
}

function disconnectedDevices({ devices }: Deployment): string[] {
  return devices.filter((device) => !device.isReady).map(({ name }) => name)
}

/** Waits until `left` returns nothing. What it still returns after `ms` is a violation. */
async function until(
  what: string,
  journal: Journal,
  ms: number,
  left: () => Promise<string[]>,
): Promise<void> {
  if (await becomesEmpty(left, ms)) return
  for (const item of await left()) journal.violation(`timeout while waiting until ${what}: ${item}`)
}

async function becomesEmpty(left: () => Promise<string[]>, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  while (Date.now() < deadline) {
    if ((await left()).length === 0) return true
    await sleep(POLL_INTERVAL_MS)
  }
  return false
}
