/** A closed loop: so many private messages in flight at any moment, on so many nodes. */
export interface Loop {
  nodes: number
  withRedis: boolean
  inFlight: number
}

/** Microseconds of CPU a message, of all processes of a part. */
export interface Parts {
  nodeUs: number
  redisUs: number
  postgresqlUs: number
  loadUs: number
}

/** One row of the scenario `nodes` of `npm run bench`. */
export type Row = Loop & Parts

/** The run that docs/performance.md shows. */
export const MEASURED: readonly Row[] = [
  row(1, false, 1, [468, 5.91, 619, 157]),
  row(1, true, 1, [714, 65.4, 721, 185]),
  row(2, true, 1, [1030, 72.9, 731, 209]),
  row(3, true, 1, [1150, 76, 723, 221]),
  row(1, false, 20, [167, 1.71, 197, 80.3]),
  row(1, true, 20, [209, 15.5, 192, 85.9]),
  row(2, true, 20, [391, 21.8, 296, 110]),
  row(3, true, 20, [630, 26.7, 385, 95.1]),
  row(1, false, 200, [99.9, 0.659, 73.5, 46.1]),
  row(1, true, 200, [122, 6.66, 73.2, 44.5]),
  row(2, true, 200, [169, 8.08, 84.8, 45.7]),
  row(3, true, 200, [193, 8.4, 96.3, 49.2]),
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
