import { randomBytes } from 'node:crypto'
import { cpuSeconds, pool, until } from '../measure.ts'
import type { BenchOptions, Figures, Report } from '../result.ts'
import { Parley } from '../subjects/parley.ts'
import type { RoomClient, RoomSubject, RoomTransport, Subject } from '../subjects/subject.ts'
import { closeAll, type Group, listenTo, startGroups } from '../traffic.ts'
import { measureBursts } from './bursts.ts'

const PAIRS = 50
const IN_FLIGHT_PER_PAIR = 4
const MEMBERS = 200
const ID_LENGTH = 12
/** A text of 100 characters that cannot be compressed well. */
const TEXT_BYTES = 66

/** A room and its connected members. The first one posts. */
interface Room {
  id: string
  clients: RoomClient[]
}

/**
 * Measures messages to rooms of two against private messages with the same number in flight, and bursts to a room of 200. The subject
 * must support rooms.
 */
export async function measureRooms(
  subject: Subject & RoomSubject,
  benchOptions: BenchOptions,
  report: Report,
): Promise<void> {
  const groups = await startGroups(subject, PAIRS, 2)
  const transports = subject instanceof Parley ? (['socket', 'topic'] as const) : (['topic'] as const)
  const rooms = new Map<RoomTransport, Room[]>()
  for (const transport of transports) rooms.set(transport, await startRooms(subject, PAIRS, 2, transport))
  // Alternating rounds, so that a change of the speed of the machine affects all of them.
  const rounds = benchOptions.quick ? 1 : 3
  const sums = new Map<string, Tally>()
  for (let round = 0; round < rounds; round++) {
    const options = { ...benchOptions, seconds: benchOptions.seconds / rounds }
    add(sums, 'private', await loopPrivate(subject, options, groups))
    for (const [transport, own] of rooms) add(sums, transport, await loopRooms(subject, options, own))
  }
  const base = sums.get('private') as Tally
  for (const [what, tally] of sums) {
    report({
      scenario: 'room posts',
      size: what === 'private' ? 'private sends' : `50 rooms of 2, ${NAMES[what as RoomTransport]}`,
      subject: subject.name,
      figures: figuresOf(tally, base),
    })
  }
  closeAll(groups)
  for (const own of rooms.values()) closeRooms(own)
  for (const transport of transports) await measureRoomBursts(subject, benchOptions, report, transport)
}

const NAMES: Record<RoomTransport, string> = { socket: '/ws/chat/', topic: 'room:<id>' }

/** What was measured of one kind of message. */
interface Tally {
  acked: number
  seconds: number
  cpu: number
  latencies: number[]
  lost: number
}

function add(sums: Map<string, Tally>, what: string, tally: Tally): void {
  const sum = sums.get(what)
  if (!sum) return void sums.set(what, tally)
  sum.acked += tally.acked
  sum.seconds += tally.seconds
  sum.cpu += tally.cpu
  sum.lost += tally.lost
  for (const latency of tally.latencies) sum.latencies.push(latency)
}

function figuresOf(tally: Tally, base: Tally): Figures {
  const sorted = tally.latencies.toSorted((a, b) => a - b)
  const percentile = (fraction: number) => sorted[Math.floor(sorted.length * fraction)] ?? Number.NaN
  return {
    'acked/s': Math.round(tally.acked / tally.seconds),
    'of private': tally.acked / tally.seconds / (base.acked / base.seconds),
    'p50 ms': percentile(0.5),
    'p99 ms': percentile(0.99),
    'CPU µs': (tally.cpu / tally.acked) * 1e6,
    lost: tally.lost,
  }
}

async function loopPrivate(subject: Subject, { seconds }: BenchOptions, groups: Group[]): Promise<Tally> {
  const traffic = listenTo(groups)
  const inFlight = PAIRS * IN_FLIGHT_PER_PAIR
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const latencies: number[] = []
  await pool(inFlight, inFlight, async (i) => {
    while (performance.now() - start < seconds * 1000) {
      const since = performance.now()
      await traffic.send(groups[i % PAIRS] as Group, since, randomText())
      latencies.push(performance.now() - since)
    }
  })
  const elapsed = (performance.now() - start) / 1000
  const used = cpuSeconds(subject.pid) - cpu
  return { acked: latencies.length, seconds: elapsed, cpu: used, latencies, lost: await traffic.lost() }
}

/** A post is acknowledged when its own broadcast or reply has reached the sender. It is lost unless it reaches every member. */
async function loopRooms(subject: Subject, { seconds }: BenchOptions, rooms: Room[]): Promise<Tally> {
  let delivered = 0
  for (const { clients } of rooms) {
    for (const client of clients) {
      client.onPost(() => {
        delivered += 1
      })
    }
  }
  const inFlight = PAIRS * IN_FLIGHT_PER_PAIR
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const latencies: number[] = []
  await pool(inFlight, inFlight, async (i) => {
    const { clients } = rooms[i % rooms.length] as Room
    while (performance.now() - start < seconds * 1000) {
      const since = performance.now()
      await clients[0]?.post(randomText())
      latencies.push(performance.now() - since)
    }
  })
  const elapsed = (performance.now() - start) / 1000
  const used = cpuSeconds(subject.pid) - cpu
  const expected = latencies.length * 2
  await until(() => delivered >= expected, 5_000)
  return { acked: latencies.length, seconds: elapsed, cpu: used, latencies, lost: expected - delivered }
}

/** Measures stored messages to one large room. Each burst starts when the previous one is delivered. */
async function measureRoomBursts(
  subject: Subject & RoomSubject,
  benchOptions: BenchOptions,
  report: Report,
  transport: RoomTransport,
): Promise<void> {
  const [room] = (await startRooms(subject, 1, MEMBERS, transport)) as [Room]
  let delivered = 0
  for (const client of room.clients) {
    client.onPost(() => {
      delivered += 1
    })
  }
  const target = {
    receivers: MEMBERS,
    send: () => (room.clients[0] as RoomClient).post(randomText()),
    delivered: () => delivered,
  }
  await measureBursts(subject, benchOptions, target, (size, figures) => {
    const scenario = 'posts to a room of 200'
    report({ scenario, size: `${size}, ${NAMES[transport]}`, subject: subject.name, figures })
  })
  closeRooms([room])
}

async function startRooms(
  subject: RoomSubject,
  count: number,
  members: number,
  transport: RoomTransport,
): Promise<Room[]> {
  return pool(count, 4, async (index) => {
    const users = Array.from({ length: members }, (_, user) => index * members + user)
    const id = await subject.createRoom(users)
    return {
      id,
      clients: await pool(members, 16, (i) => subject.connectToRoom(users[i] as number, id, transport)),
    }
  })
}

function closeRooms(rooms: readonly Room[]): void {
  for (const { clients } of rooms) for (const client of clients) client.close()
}

let sent = 0

/** Starts with a unique number, by which clients recognize their own texts. */
function randomText(): string {
  return String(sent++).padStart(ID_LENGTH, '0') + randomBytes(TEXT_BYTES).toString('base64')
}
