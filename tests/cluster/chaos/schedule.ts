import type { Cast } from './cast.ts'
import { Random } from './random.ts'

/** What goes wrong. `lasts` is in milliseconds, and over before the schedule is. */
export type Fault =
  | { kind: 'kill' | 'drain' | 'freeze' | 'cut_off_redis' | 'cut_off_postgres'; node: number; lasts: number }
  | { kind: 'stop_redis' | 'stop_postgres'; lasts: number }
  | { kind: 'tear_redis' | 'tear_postgres'; node: number; bytes: number; outward: boolean }
  | { kind: 'cut_clients'; clients: number[]; bytes: number; outward: boolean }
  | { kind: 'stall_clients'; clients: number[]; lasts: number }

/** How the sender of a message behaves: once and done, twice at once, or once more long after it was answered. */
export type Retry = 'none' | 'double' | 'late'

/** What people do. `choice` picks among what there is to choose from by then. */
export type Action =
  | { kind: 'send'; person: number; conversation: number; retry: Retry }
  | { kind: 'edit' | 'delete'; person: number; conversation: number; choice: number }
  /** Somebody leaves a group, or is brought back by its first member, who stays. */
  | { kind: 'come_or_go'; person: number; conversation: number }
  | { kind: 'type' | 'read'; person: number; conversation: number }
  | { kind: 'say'; person: number; room: number; retry: Retry }
  | { kind: 'enter_or_exit'; person: number; room: number }
  | { kind: 'hide'; person: number; hidden: boolean }
  | { kind: 'reload'; client: number }

/** Something at its time, in milliseconds from the beginning. */
export type Timed<T> = T & { at: number }

export interface Schedule {
  faults: Timed<Fault>[]
  actions: Timed<Action>[]
}

export interface ScheduleOptions {
  seed: number
  lasts: number
  nodes: number
  cast: Cast
}

const ACTIONS_PER_SECOND = 20
/** Time at both ends without faults: to see that all is well first, and to be healed at the end. */
const CALM_MS = 2_000

/** How long nodes and services are away, in milliseconds: by far most outages are short. */
const SHORT = [1_000, 5_000] as const
/** Longer than any node is waited for before it counts as dead. */
const LONG = [16_000, 22_000] as const
/** From which length of a run on there is time for long outages. */
const LONG_RUN_MS = 120_000

/** Everything that happens in a run: the same for the same options. */
export function makeSchedule({ seed, lasts, nodes, cast }: ScheduleOptions): Schedule {
  const random = new Random(seed)
  const faults = [
    ...outages(random, { lasts, nodes }),
    ...disturbances(random, { lasts, nodes, clients: cast.people * cast.devicesEach }),
  ].sort((a, b) => a.at - b.at)
  return { faults, actions: doings(random, lasts, cast) }
}

/** Outages of nodes and services, one after the other with a pause between, each kind before any comes again. */
function outages(random: Random, { lasts, nodes }: { lasts: number; nodes: number }): Timed<Fault>[] {
  const kinds = [
    'kill',
    'drain',
    'freeze',
    'cut_off_redis',
    'cut_off_postgres',
    'stop_redis',
    'stop_postgres',
  ] as const
  const found: Timed<Fault>[] = []
  let deck: (typeof kinds)[number][] = []
  for (let at = CALM_MS; ; ) {
    if (deck.length === 0) deck = random.shuffled(kinds)
    const kind = deck.pop() as (typeof kinds)[number]
    const isLong = lasts >= LONG_RUN_MS && random.chance(0.15)
    const fault = { at, lasts: isLong ? random.between(...LONG) : random.between(...SHORT) }
    if (fault.at + fault.lasts + CALM_MS > lasts) return found
    const isOfAll = kind === 'stop_redis' || kind === 'stop_postgres'
    found.push(isOfAll ? { ...fault, kind } : { ...fault, kind, node: random.between(0, nodes) })
    // Sometimes the next begins before this one is over.
    at += Math.max(500, fault.lasts + random.between(-1_500, 2_500))
  }
}

/** Connections that are cut in the middle of whatever passes, or go silent. */
function disturbances(
  random: Random,
  { lasts, nodes, clients }: { lasts: number; nodes: number; clients: number },
): Timed<Fault>[] {
  const found: Timed<Fault>[] = []
  const all = Array.from({ length: clients }, (_, client) => client)
  for (let at = CALM_MS; at < lasts - 2 * CALM_MS; at += random.between(400, 3_000)) {
    const some = random.shuffled(all).slice(0, random.between(1, 4))
    const cut = { at, bytes: random.between(1, 400), outward: random.chance(0.5) }
    const node = random.between(0, nodes)
    const lot = random.between(0, 100)
    if (lot < 60) found.push({ ...cut, kind: 'cut_clients', clients: some })
    else if (lot < 70) found.push({ ...cut, kind: 'tear_redis', node })
    else if (lot < 80) found.push({ ...cut, kind: 'tear_postgres', node })
    else found.push({ at, kind: 'stall_clients', clients: some, lasts: random.between(200, 2_000) })
  }
  return found
}

function doings(random: Random, lasts: number, cast: Cast): Timed<Action>[] {
  const found: Timed<Action>[] = []
  const mean = 1_000 / ACTIONS_PER_SECOND
  for (let at = 0; at < lasts; at += random.between(1, 2 * mean)) found.push({ at, ...doing(random, cast) })
  return found
}

function doing(random: Random, cast: Cast): Action {
  const person = random.between(0, cast.people)
  const conversation = random.pick(placesOf(person, cast.conversations))
  const room = random.pick(placesOf(person, cast.rooms))
  const group = random.pick(placesOf(person, cast.conversations).filter((n) => isGroup(cast, n)))
  const retry = random.pick<Retry>(['none', 'none', 'none', 'double', 'late'])
  const choice = random.between(0, 1_000_000)
  const lot = random.between(0, 100)
  if (lot < 55) return { kind: 'send', person, conversation, retry }
  if (lot < 65) return { kind: 'edit', person, conversation, choice }
  if (lot < 70) return { kind: 'delete', person, conversation, choice }
  if (lot < 73) return { kind: 'come_or_go', person, conversation: group }
  if (lot < 78) return { kind: 'type', person, conversation }
  if (lot < 82) return { kind: 'read', person, conversation }
  if (lot < 95) return { kind: 'say', person, room, retry }
  if (lot < 97) return { kind: 'enter_or_exit', person, room }
  if (lot < 98) return { kind: 'hide', person, hidden: random.chance(0.25) }
  return { kind: 'reload', client: random.between(0, cast.people * cast.devicesEach) }
}

function isGroup({ conversations }: Cast, number: number): boolean {
  return (conversations[number]?.length ?? 0) > 2
}

/** The numbers of the places a person is in. */
function placesOf(person: number, places: number[][]): number[] {
  return places.flatMap((people, place) => (people.includes(person) ? [place] : []))
}
