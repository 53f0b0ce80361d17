import { type Costs, costAt } from './message-costs.ts'

/** What the users of a deployment do. */
export interface Usage {
  /** The fraction of users who are connected in the busiest hour. */
  onlineShare: number
  /** Connections per connected user. */
  devicesPerUser: number
  messagesPerDay: number
  /** Traffic of the busiest hour, relative to the average. */
  peakFactor: number
  /** Members of the conversation of a message, including the sender. */
  copiesPerMessage: number
  connectsPerDay: number
  /** How long a user stays online. */
  sessionSeconds: number
}

/** Results of the benchmark. CPU in microseconds. */
export interface Bench {
  /** CPU of the node for each copy beyond the two of a private message. */
  nodeCopyUs: number
  postgresqlCopyUs: number
  connectUs: number
  diskBytes: { message: number; copy: number }
  walBytes: { message: number; copy: number }
  /** One entry of a presence list. */
  presenceBytes: number
}

/** The allowed load in the busiest hour. */
export interface Limits {
  maxUtilization: number
  connectionsPerNode: number
  /** Cores of one PostgreSQL server, and its maximum WAL throughput. */
  postgresqlCores: number
  walBytesPerSecond: number
}

/** What a deployment needs in its busiest hour. */
export interface Capacity {
  users: number
  connections: number
  messagesPerSecond: number
  nodes: number
  redisShards: number
  postgresqlServers: number
  diskBytesPerDay: number
  /** Presence bytes per second that each node sends, with one list of all users in `system:general`. */
  presenceBytesPerNode: number
  /** Heartbeats of nodes that Redis delivers per second. */
  heartbeatsPerSecond: number
}

const DAY_S = 86_400
/** The batch size at the allowed load. */
const FULL_BATCH = 16
const HEARTBEAT_INTERVAL_S = 2
const PRIVATE_COPIES = 2

/** Computes the required capacity. Each part is sized separately: its load divided by the allowed load of one server. */
export function planCapacity(
  users: number,
  costs: Costs,
  bench: Bench,
  usage: Usage,
  limits: Limits,
): Capacity {
  const { copiesPerMessage } = usage
  const connections = users * usage.onlineShare * usage.devicesPerUser
  const perSecond = (perDay: number) => (users * perDay * usage.peakFactor) / DAY_S
  const messagesPerSecond = perSecond(usage.messagesPerDay)
  const connectsPerSecond = perSecond(usage.connectsPerDay)
  const publishesPerMessage = copiesPerMessage / PRIVATE_COPIES

  const nodeUs =
    costAt(costs.node, FULL_BATCH) +
    (copiesPerMessage - PRIVATE_COPIES) * bench.nodeCopyUs +
    publishesPerMessage * (costAt(costs.publishing, FULL_BATCH) + costAt(costs.receiving, FULL_BATCH))
  const nodeCores = (messagesPerSecond * nodeUs + connectsPerSecond * bench.connectUs) / 1e6
  const nodes = ceilToOne(
    Math.max(nodeCores / limits.maxUtilization, connections / limits.connectionsPerNode),
  )

  const redisCores = (messagesPerSecond * publishesPerMessage * costAt(costs.redis, FULL_BATCH)) / 1e6
  const postgresqlUs =
    costAt(costs.postgresql, FULL_BATCH) + (copiesPerMessage - PRIVATE_COPIES) * bench.postgresqlCopyUs
  const walBytes = bench.walBytes.message + copiesPerMessage * bench.walBytes.copy
  const postgresqlServers = ceilToOne(
    Math.max(
      (messagesPerSecond * postgresqlUs) / 1e6 / limits.postgresqlCores / limits.maxUtilization,
      (messagesPerSecond * walBytes) / limits.walBytesPerSecond,
    ),
  )
  return {
    users,
    connections,
    messagesPerSecond,
    nodes,
    redisShards: nodes === 1 ? 0 : ceilToOne(redisCores / limits.maxUtilization),
    postgresqlServers,
    diskBytesPerDay:
      users * usage.messagesPerDay * (bench.diskBytes.message + copiesPerMessage * bench.diskBytes.copy),
    presenceBytesPerNode: presenceBytes(connections, usage.sessionSeconds, bench.presenceBytes) / nodes,
    heartbeatsPerSecond: (nodes * (nodes - 1)) / HEARTBEAT_INTERVAL_S,
  }
}

/** Every user is notified of every user who joins or leaves, and receives the full list on join. */
function presenceBytes(connections: number, sessionSeconds: number, bytes: number): number {
  const joinsPerSecond = connections / sessionSeconds
  return joinsPerSecond * 3 * connections * bytes
}

function ceilToOne(servers: number): number {
  return Math.max(1, Math.ceil(servers))
}
