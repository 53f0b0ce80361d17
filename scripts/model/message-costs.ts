import type { Loop, Parts, Row } from './measured.ts'

/** The CPU microseconds of a message: a fixed cost, and a share of the cost of its batch. */
export interface Cost {
  perMessage: number
  perBatch: number
}

/** The costs of a private message, by part. */
export interface Costs {
  node: Cost
  /** Additional cost of the sender's node for publishing to Redis. */
  publishing: Cost
  /** Additional cost if the recipient is connected to another node. */
  receiving: Cost
  postgresql: Cost
  redis: Cost
  load: Cost
}

/** The send workers of a node. Each executes one statement at a time. */
const SEND_WORKERS_PER_NODE = 2

/** The messages per statement: while one half of a worker's messages is being stored, the other half queues. */
function batchOf({ nodes, inFlight }: Loop): number {
  return batchSize(inFlight / (nodes * SEND_WORKERS_PER_NODE))
}

/** The messages that a node sends to Redis, or receives from it, together. Its send workers share the connection. */
function redisBatchOf({ nodes, inFlight }: Loop): number {
  return batchSize(inFlight / nodes)
}

function batchSize(inFlight: number): number {
  return Math.max(1, (inFlight + 1) / 2)
}

/**
 * Fits the costs to six rows: the smallest and the largest loop on one node without Redis, on one node with it, and on two nodes.
 * For all other rows, `predict` is a prediction.
 */
export function fitCosts(rows: readonly Row[]): Costs {
  const pair = (nodes: number, withRedis: boolean): [Row, Row] => {
    const found = rows.filter((row) => row.nodes === nodes && row.withRedis === withRedis)
    const sorted = found.toSorted((one, other) => one.inFlight - other.inFlight)
    const [small, large] = [sorted[0], sorted.at(-1)]
    if (!small || !large) throw new Error(`There is no row of ${nodes} nodes.`)
    return [small, large]
  }
  const [oneNode, oneNodeWithRedis, twoNodes] = [pair(1, false), pair(1, true), pair(2, true)]
  const node = fitLine(oneNode, batchOf, ({ nodeUs }) => nodeUs)
  const added = (row: Row) => row.nodeUs - costAt(node, batchOf(row))
  const publishing = fitLine(oneNodeWithRedis, redisBatchOf, added)
  const receiving = fitLine(
    twoNodes,
    redisBatchOf,
    (row) => added(row) - costAt(publishing, redisBatchOf(row)),
  )
  return {
    node,
    publishing,
    receiving,
    postgresql: fitLine(oneNode, batchOf, ({ postgresqlUs }) => postgresqlUs),
    redis: fitLine(twoNodes, redisBatchOf, ({ redisUs }) => redisUs),
    load: fitLine(oneNode, batchOf, ({ loadUs }) => loadUs),
  }
}

/** The CPU microseconds of a message in a batch of this size. */
export function costAt({ perMessage, perBatch }: Cost, batch: number): number {
  return perMessage + perBatch / batch
}

/** Predicts the costs of a message in a loop. */
export function predict({ node, publishing, receiving, ...costs }: Costs, loop: Loop): Parts {
  const [batch, redisBatch] = [batchOf(loop), redisBatchOf(loop)]
  const publishUs = loop.withRedis ? costAt(publishing, redisBatch) : 0
  const receiveUs = loop.nodes > 1 ? costAt(receiving, redisBatch) : 0
  return {
    nodeUs: costAt(node, batch) + publishUs + receiveUs,
    redisUs: loop.withRedis ? costAt(costs.redis, redisBatch) : 0,
    postgresqlUs: costAt(costs.postgresql, batch),
    loadUs: costAt(costs.load, batch),
  }
}

/** Acknowledged messages per CPU second of all parts. */
export function perCpuSecond({ nodeUs, redisUs, postgresqlUs, loadUs }: Parts): number {
  return 1e6 / (nodeUs + redisUs + postgresqlUs + loadUs)
}

/** The line through two rows, as a function of 1 / batch size. Costs are not negative. */
function fitLine(
  [small, large]: [Row, Row],
  batch: (loop: Loop) => number,
  costOf: (row: Row) => number,
): Cost {
  const [x1, x2] = [1 / batch(small), 1 / batch(large)]
  const perBatch = Math.max(0, (costOf(small) - costOf(large)) / (x1 - x2))
  return { perBatch, perMessage: Math.max(0, costOf(large) - perBatch * x2) }
}
