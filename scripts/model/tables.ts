import type { Result } from '../bench/result.ts'
import { formatTables } from '../bench/table.ts'
import { BENCH, LIMITS, USAGE } from './assumptions.ts'
import { type Capacity, planCapacity } from './capacity.ts'
import { type Loop, MEASURED, type Parts, type Row } from './measured.ts'
import { fitCosts, perCpuSecond, predict } from './message-costs.ts'

const USERS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]

/** The tables of docs/scaling.md. */
export function modelTables(): string {
  const costs = fitCosts(MEASURED)
  return formatTables([
    ...MEASURED.map((row) => comparison(row, predict(costs, row))),
    ...USERS.map((users) => capacityResult(planCapacity(users, costs, BENCH, USAGE, LIMITS))),
  ])
}

function comparison(row: Row, predicted: Parts): Result {
  return {
    scenario: 'measured and modeled',
    size: `${row.inFlight} in flight`,
    subject: nameOf(row),
    figures: {
      'acked/CPU s': perCpuSecond(row),
      model: perCpuSecond(predicted),
      'nodes µs': row.nodeUs,
      'model ': predicted.nodeUs,
      'PostgreSQL µs': row.postgresqlUs,
      'model  ': predicted.postgresqlUs,
      'Redis µs': row.redisUs,
      'model   ': predicted.redisUs,
    },
  }
}

function capacityResult(site: Capacity): Result {
  return {
    scenario: 'capacity at the busiest hour',
    size: `${site.users.toLocaleString('en-US')} users`,
    subject: 'parley',
    figures: {
      connections: site.connections,
      'messages/s': site.messagesPerSecond,
      nodes: site.nodes,
      'Redis shards': site.redisShards,
      'PostgreSQL servers': site.postgresqlServers,
      'GB a day': site.diskBytesPerDay / 1e9,
      'presence MB/s a node': site.presenceBytesPerNode / 1e6,
      'heartbeats/s': site.heartbeatsPerSecond,
    },
  }
}

function nameOf({ nodes, withRedis }: Loop): string {
  if (nodes > 1) return `${nodes} nodes`
  return withRedis ? '1 node' : '1 node, no Redis'
}
