import type { Population } from './population.ts'
import { Random } from './random.ts'

/**
 * An injected fault. It ends before the schedule does. `cut_*` cuts connections after some more bytes in one direction; `stall_*`
 * keeps them open and forwards nothing.
 */
export type Fault =
  | { kind: 'kill' | 'drain' | 'freeze' | 'stall_redis' | 'stall_postgres'; node: number; durationMs: number }
  | { kind: 'stop_redis' | 'stop_postgres'; durationMs: number }
  | { kind: 'cut_redis' | 'cut_postgres'; node: number; bytes: number; upstream: boolean }
  | { kind: 'cut_clients'; clients: number[]; bytes: number; upstream: boolean }
  | { kind: 'stall_clients'; clients: number[]; durationMs: number }

/** Whether a message is sent again: not at all, twice concurrently, or once more long after its reply. */
export type Retry = 'none' | 'concurrent' | 'late'

/** What a user does. `choice` selects one of the messages that exist by then. */
export type Action =
  | { kind: 'send'; person: number; conversation: number; retry: Retry }
  | { kind: 'edit' | 'delete'; person: number; conversation: number; choice: number }
  /** A member leaves a group, or is added again by its first member, who never leaves. */
  | { kind: 'leave_or_rejoin'; person: number; conversation: number }
  | { kind: 'type' | 'read'; person: number; conversation: number }
  | { kind: 'send_to_room'; person: number; room: number; retry: Retry }
  | { kind: 'leave_or_rejoin_room'; person: number; room: number }
  | { kind: 'hide'; person: number; hidden: boolean }
  | { kind: 'reload'; client: number }

/** An item of the schedule. `at` is in milliseconds from the start. */
export type Timed<T> = T & { at: number }

export interface Schedule {
  faults: Timed<Fault>[]
  actions: Timed<Action>[]
}

export interface ScheduleOptions {
  seed: number
  durationMs: number
  nodes: number
  population: Population
}

const ACTIONS_PER_SECOND = 20
/** No faults are injected at the start and at the end of a run for this long. */
const FAULT_FREE_MS = 2_000

/** The range of durations of most outages. */
const SHORT_OUTAGE_MS = [1_000, 5_000] as const
/** The range of durations of long outages. They exceed the time after which a node counts as dead. */
const LONG_OUTAGE_MS = [16_000, 22_000] as const
/** Shorter runs have no long outages. */
const MIN_RUN_FOR_LONG_OUTAGES_MS = 120_000

/** Creates a random schedule. The same options produce the same schedule. */
export function makeSchedule({ seed, durationMs, nodes, population }: ScheduleOptions): Schedule {
  const random = new Random(seed)
  const faults = [
    ...outages(random, { durationMs, nodes }),
    ...connectionFaults(random, {
      durationMs,
      nodes,
      clients: population.people * population.devicesPerUser,
    }),
  ].sort((a, b) => a.at - b.at)
  return { faults, actions: randomActions(random, durationMs, population) }
}

/** Outages of nodes and services in sequence. Each kind occurs once before any occurs again. */
function outages(
  random: Random,
  { durationMs, nodes }: { durationMs: number; nodes: number },
): Timed<Fault>[] {
  const kinds = [
    'kill',
    'drain',
    'freeze',
    'stall_redis',
    'stall_postgres',
    'stop_redis',
    'stop_postgres',
  ] as const
  const schedule: Timed<Fault>[] = []
  let remaining: (typeof kinds)[number][] = []
  for (let at = FAULT_FREE_MS; ; ) {
    if (remaining.length === 0) remaining = random.shuffled(kinds)
    const kind = remaining.pop() as (typeof kinds)[number]
    const isLong = durationMs >= MIN_RUN_FOR_LONG_OUTAGES_MS && random.chance(0.15)
    const fault = {
      at,
      durationMs: isLong ? random.between(...LONG_OUTAGE_MS) : random.between(...SHORT_OUTAGE_MS),
    }
    if (fault.at + fault.durationMs + FAULT_FREE_MS > durationMs) return schedule
    const isService = kind === 'stop_redis' || kind === 'stop_postgres'
    schedule.push(isService ? { ...fault, kind } : { ...fault, kind, node: random.between(0, nodes) })
    // The next one may begin before this one has ended.
    at += Math.max(500, fault.durationMs + random.between(-1_500, 2_500))
  }
}

/** Connections that are cut after a number of bytes, or stall. */
function connectionFaults(
  random: Random,
  { durationMs, nodes, clients }: { durationMs: number; nodes: number; clients: number },
): Timed<Fault>[] {
  const schedule: Timed<Fault>[] = []
  const all = Array.from({ length: clients }, (_, client) => client)
  for (let at = FAULT_FREE_MS; at < durationMs - 2 * FAULT_FREE_MS; at += random.between(400, 3_000)) {
    const chosen = random.shuffled(all).slice(0, random.between(1, 4))
    const cut = { at, bytes: random.between(1, 400), upstream: random.chance(0.5) }
    const node = random.between(0, nodes)
    const roll = random.between(0, 100)
    if (roll < 60) schedule.push({ ...cut, kind: 'cut_clients', clients: chosen })
    else if (roll < 70) schedule.push({ ...cut, kind: 'cut_redis', node })
    else if (roll < 80) schedule.push({ ...cut, kind: 'cut_postgres', node })
    else schedule.push({ at, kind: 'stall_clients', clients: chosen, durationMs: random.between(200, 2_000) })
  }
  return schedule
}

function randomActions(random: Random, durationMs: number, population: Population): Timed<Action>[] {
  const schedule: Timed<Action>[] = []
  const mean = 1_000 / ACTIONS_PER_SECOND
  for (let at = 0; at < durationMs; at += random.between(1, 2 * mean))
    schedule.push({ at, ...randomAction(random, population) })
  return schedule
}

function randomAction(random: Random, population: Population): Action {
  const person = random.between(0, population.people)
  const conversation = random.pick(indexesWith(person, population.conversations))
  const room = random.pick(indexesWith(person, population.rooms))
  const group = random.pick(
    indexesWith(person, population.conversations).filter((n) => isGroup(population, n)),
  )
  const retry = random.pick<Retry>(['none', 'none', 'none', 'concurrent', 'late'])
  const choice = random.between(0, 1_000_000)
  const roll = random.between(0, 100)
  if (roll < 55) return { kind: 'send', person, conversation, retry }
  if (roll < 65) return { kind: 'edit', person, conversation, choice }
  if (roll < 70) return { kind: 'delete', person, conversation, choice }
  if (roll < 73) return { kind: 'leave_or_rejoin', person, conversation: group }
  if (roll < 78) return { kind: 'type', person, conversation }
  if (roll < 82) return { kind: 'read', person, conversation }
  if (roll < 95) return { kind: 'send_to_room', person, room, retry }
  if (roll < 97) return { kind: 'leave_or_rejoin_room', person, room }
  if (roll < 98) return { kind: 'hide', person, hidden: random.chance(0.25) }
  return { kind: 'reload', client: random.between(0, population.people * population.devicesPerUser) }
}

function isGroup({ conversations }: Population, conversation: number): boolean {
  return (conversations[conversation]?.length ?? 0) > 2
}

/** The indexes of the lists of members that include a person. */
function indexesWith(person: number, memberLists: number[][]): number[] {
  return memberLists.flatMap((members, index) => (members.includes(person) ? [index] : []))
}
