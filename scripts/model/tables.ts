import type { Result } from '../bench/result.ts'
import { formatTables } from '../bench/table.ts'
import { BENCH, HABITS, LIMITS } from './assumptions.ts'
import { learn, perCpuSecond, predict } from './closed-loop.ts'
import { type Loop, MEASURED, type Parts, type Row } from './measured.ts'
import { type Site, siteFor } from './site.ts'

const USERS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]

/** The tables of docs/scaling.md. */
export function modelTables(): string {
  const costs = learn(MEASURED)
  return formatTables([
    ...MEASURED.map((row) => comparisonOf(row, predict(costs, row))),
    ...USERS.map((users) => needsOf(siteFor(users, costs, BENCH, HABITS, LIMITS))),
  ])
}

function comparisonOf(row: Row, predicted: Parts): Result {
  return {
    scenario: 'measured, and as the model has it',
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

function needsOf(site: Site): Result {
  return {
    scenario: 'what a site needs at its busiest hour',
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
      'beats/s': site.beatsPerSecond,
    },
  }
}

function nameOf({ nodes, withRedis }: Loop): string {
  if (nodes > 1) return `${nodes} nodes`
  return withRedis ? '1 node' : '1 node, no Redis'
}
