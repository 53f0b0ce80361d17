/** A closed loop with a fixed number of private messages in flight. */
export interface Loop {
  nodes: number
  withRedis: boolean
  inFlight: number
}

/** CPU microseconds per message, by part. Each is the sum over all processes of the part. */
export interface Parts {
  nodeUs: number
  redisUs: number
  postgresqlUs: number
  loadUs: number
}

/** One row of the scenario `nodes` of `npm run bench`. */
export type Row = Loop & Parts

/** The run in docs/performance.md. */
export const MEASURED: readonly Row[] = [
  row(1, false, 1, [387, 4.08, 619, 139]),
  row(1, true, 1, [494, 57.2, 634, 131]),
  row(2, true, 1, [715, 67.8, 709, 170]),
  row(3, true, 1, [699, 63.3, 665, 178]),
  row(1, false, 20, [163, 0.788, 184, 74.9]),
  row(1, true, 20, [199, 14.6, 185, 87.4]),
  row(2, true, 20, [315, 18.3, 299, 88.9]),
  row(3, true, 20, [439, 23.6, 388, 94.2]),
  row(1, false, 200, [104, 0.395, 67.9, 56.3]),
  row(1, true, 200, [145, 6.29, 69.6, 58.9]),
  row(2, true, 200, [147, 7.27, 81.5, 55.6]),
  row(3, true, 200, [158, 8.62, 94.4, 53.2]),
]

function row(
  nodes: number,
  withRedis: boolean,
  inFlight: number,
  [nodeUs, redisUs, postgresqlUs, loadUs]: Micros,
): Row {
  return { nodes, withRedis, inFlight, nodeUs, redisUs, postgresqlUs, loadUs }
}

type Micros = [nodes: number, redis: number, postgresql: number, load: number]
