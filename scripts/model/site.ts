import { at, type Costs } from './closed-loop.ts'

/** What the users of a site do. Rates are of the busiest hour. */
export interface Habits {
  /** Of all users, those who are connected at the same time. */
  online: number
  /** Connections of each who is online. */
  devices: number
  messagesPerDay: number
  /** How much busier the busiest hour is than the average. */
  peak: number
  /** Members of the conversation that a message goes to, the sender included. */
  copies: number
  connectsPerDay: number
  /** Seconds for which someone stays, as presence sees it. */
  stay: number
}

/** What a message costs in bytes, and what else is taken from the benchmark. CPU is in microseconds. */
export interface Bench {
  /** The node's part for each copy beyond the two of a private message. */
  nodeCopyUs: number
  postgresqlCopyUs: number
  connectUs: number
  diskBytes: { message: number; copy: number }
  walBytes: { message: number; copy: number }
  /** One entry in a list of presences. */
  presenceBytes: number
}

/** How full what is there may be, at the busiest hour. */
export interface Limits {
  busy: number
  connectionsPerNode: number
  /** Processors of one PostgreSQL server, and the bytes of WAL it can write in a second. */
  postgresqlCores: number
  walBytesPerSecond: number
}

/** What a site of some size needs at its busiest hour. */
export interface Site {
  users: number
  connections: number
  messagesPerSecond: number
  nodes: number
  redisShards: number
  postgresqlServers: number
  diskBytesPerDay: number
  /** Bytes of presence a node sends in a second, were `system:general` one list of everybody as it is now. */
  presenceBytesPerNode: number
  /** Beats of nodes that Redis delivers in a second. */
  beatsPerSecond: number
}

const DAY_S = 86_400
/** Messages that go together where a node, or a server, is as busy as it may be. */
const BUSY_BATCH = 16
const BEAT_S = 2
const PRIVATE_COPIES = 2

/** Works out what a site needs. Each part is counted by itself: what it carries, over what one of its servers may carry. */
export function siteFor(users: number, costs: Costs, bench: Bench, habits: Habits, limits: Limits): Site {
  const { copies } = habits
  const connections = users * habits.online * habits.devices
  const perSecond = (perDay: number) => (users * perDay * habits.peak) / DAY_S
  const messagesPerSecond = perSecond(habits.messagesPerDay)
  const connectsPerSecond = perSecond(habits.connectsPerDay)
  const crossings = copies / PRIVATE_COPIES

  const nodeUs =
    at(costs.node, BUSY_BATCH) +
    (copies - PRIVATE_COPIES) * bench.nodeCopyUs +
    crossings * (at(costs.publishing, BUSY_BATCH) + at(costs.receiving, BUSY_BATCH))
  const nodeCores = (messagesPerSecond * nodeUs + connectsPerSecond * bench.connectUs) / 1e6
  const nodes = atLeastOne(Math.max(nodeCores / limits.busy, connections / limits.connectionsPerNode))

  const redisCores = (messagesPerSecond * crossings * at(costs.redis, BUSY_BATCH)) / 1e6
  const postgresqlUs = at(costs.postgresql, BUSY_BATCH) + (copies - PRIVATE_COPIES) * bench.postgresqlCopyUs
  const walBytes = bench.walBytes.message + copies * bench.walBytes.copy
  const postgresqlServers = atLeastOne(
    Math.max(
      (messagesPerSecond * postgresqlUs) / 1e6 / limits.postgresqlCores / limits.busy,
      (messagesPerSecond * walBytes) / limits.walBytesPerSecond,
    ),
  )
  return {
    users,
    connections,
    messagesPerSecond,
    nodes,
    redisShards: nodes === 1 ? 0 : atLeastOne(redisCores / limits.busy),
    postgresqlServers,
    diskBytesPerDay:
      users * habits.messagesPerDay * (bench.diskBytes.message + copies * bench.diskBytes.copy),
    presenceBytesPerNode: presenceBytes(connections, habits.stay, bench.presenceBytes) / nodes,
    beatsPerSecond: (nodes * (nodes - 1)) / BEAT_S,
  }
}

/** Everybody is told of everybody who comes or goes, and gets a list of all when they come. */
function presenceBytes(connections: number, stay: number, bytes: number): number {
  const entering = connections / stay
  return entering * 3 * connections * bytes
}

function atLeastOne(servers: number): number {
  return Math.max(1, Math.ceil(servers))
}
