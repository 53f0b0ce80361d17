import type { Loop, Parts, Row } from './measured.ts'

/** Microseconds of CPU a message: its own, and a share of what is done once for all that go together. */
export interface Cost {
  each: number
  together: number
}

/** What a private message costs, by part of the system. */
export interface Costs {
  node: Cost
  /** What Redis adds to a node that publishes. */
  publishing: Cost
  /** What it adds when the recipient is on another node. */
  receiving: Cost
  postgresql: Cost
  redis: Cost
  load: Cost
}

/** Statements that a node has under way at once: the workers of its send queue. */
const LANES = 2

/** Messages of one statement: of those in a worker, half gather while the others are being stored. */
export function batchOf({ nodes, inFlight }: Loop): number {
  return gathered(inFlight / (nodes * LANES))
}

/** Messages that a node passes to Redis, or hears from it, at once: its workers share the connection. */
function crossingBatchOf({ nodes, inFlight }: Loop): number {
  return gathered(inFlight / nodes)
}

function gathered(inFlight: number): number {
  return Math.max(1, (inFlight + 1) / 2)
}

/**
 * Learns the costs from six rows: the smallest and the largest loop on one node without Redis, on one with it, and on two.
 * What it says of other rows is a prediction.
 */
export function learn(rows: readonly Row[]): Costs {
  const pair = (nodes: number, withRedis: boolean): [Row, Row] => {
    const found = rows.filter((row) => row.nodes === nodes && row.withRedis === withRedis)
    const sorted = found.toSorted((one, other) => one.inFlight - other.inFlight)
    const [small, large] = [sorted[0], sorted.at(-1)]
    if (!small || !large) throw new Error(`There is no row of ${nodes} nodes.`)
    return [small, large]
  }
  const [alone, single, double] = [pair(1, false), pair(1, true), pair(2, true)]
  const node = lineThrough(alone, batchOf, ({ nodeUs }) => nodeUs)
  const added = (row: Row) => row.nodeUs - at(node, batchOf(row))
  const publishing = lineThrough(single, crossingBatchOf, added)
  const receiving = lineThrough(
    double,
    crossingBatchOf,
    (row) => added(row) - at(publishing, crossingBatchOf(row)),
  )
  return {
    node,
    publishing,
    receiving,
    postgresql: lineThrough(alone, batchOf, ({ postgresqlUs }) => postgresqlUs),
    redis: lineThrough(double, crossingBatchOf, ({ redisUs }) => redisUs),
    load: lineThrough(alone, batchOf, ({ loadUs }) => loadUs),
  }
}

/** Microseconds of a cost when so many go together. */
export function at({ each, together }: Cost, batch: number): number {
  return each + together / batch
}

/** What a message of a loop should cost. */
export function predict({ node, publishing, receiving, ...costs }: Costs, loop: Loop): Parts {
  const [batch, crossing] = [batchOf(loop), crossingBatchOf(loop)]
  const told = loop.withRedis ? at(publishing, crossing) : 0
  const heard = loop.nodes > 1 ? at(receiving, crossing) : 0
  return {
    nodeUs: at(node, batch) + told + heard,
    redisUs: loop.withRedis ? at(costs.redis, crossing) : 0,
    postgresqlUs: at(costs.postgresql, batch),
    loadUs: at(costs.load, batch),
  }
}

/** Messages that are acknowledged for each second that a processor works for any part. */
export function perCpuSecond({ nodeUs, redisUs, postgresqlUs, loadUs }: Parts): number {
  return 1e6 / (nodeUs + redisUs + postgresqlUs + loadUs)
}

/** The line through two rows, over the inverse of their batches; no part of a cost is below nothing. */
function lineThrough(
  [small, large]: [Row, Row],
  batch: (loop: Loop) => number,
  costOf: (row: Row) => number,
): Cost {
  const [x1, x2] = [1 / batch(small), 1 / batch(large)]
  const together = Math.max(0, (costOf(small) - costOf(large)) / (x1 - x2))
  return { together, each: Math.max(0, costOf(large) - together * x2) }
}
