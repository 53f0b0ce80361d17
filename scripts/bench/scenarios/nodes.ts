import { pool } from '../measure.ts'
import type { Effort, Figures, Report } from '../result.ts'
import { ParleyNodes, type PartsCpu } from '../subjects/parley-nodes.ts'
import { closeAll, type Group, listenTo, startGroups, type Traffic } from '../traffic.ts'

const PAIRS = 100
const IN_FLIGHT = [1, 20, 200]

/** Several nodes as they are compared: `withRedis` tells whether a single one knows that it may not be alone. */
const DEPLOYMENTS = [
  { nodes: 1, withRedis: false },
  { nodes: 1, withRedis: true },
  { nodes: 2, withRedis: true },
  { nodes: 3, withRedis: true },
]

/**
 * Durable private messages on one node and on several, on the same machine: what being several costs, part by part. On
 * several nodes each message crosses from one to another.
 */
export async function measureNodes(effort: Effort, report: Report): Promise<void> {
  for (const { nodes, withRedis } of DEPLOYMENTS) {
    const subject = await ParleyNodes.start(nodes, withRedis)
    try {
      const groups = await startGroups(subject, PAIRS, 2)
      for (const inFlight of IN_FLIGHT) {
        const figures = await closedLoop(subject, effort, groups, inFlight)
        const name = withRedis ? subject.name : `${subject.name}, no Redis`
        report({ scenario: 'nodes', size: `${inFlight} in flight`, subject: name, figures })
      }
      closeAll(groups)
    } finally {
      await subject.stop()
    }
  }
}

async function closedLoop(
  subject: ParleyNodes,
  { seconds }: Effort,
  groups: readonly Group[],
  inFlight: number,
): Promise<Figures> {
  const traffic = listenTo(groups)
  const writers = groups.slice(0, Math.min(groups.length, inFlight))
  const send = async (index: number, until: number) => {
    while (performance.now() < until) await traffic.send(writers[index % writers.length] as Group)
  }
  const before = await subject.cpu()
  const start = performance.now()
  await pool(inFlight, inFlight, (index) => send(index, start + seconds * 1000))
  const elapsed = (performance.now() - start) / 1000
  const after = await subject.cpu()
  return figuresOf(traffic, elapsed, (part) => after[part] - before[part])
}

async function figuresOf(
  traffic: Traffic,
  elapsed: number,
  used: (part: keyof PartsCpu) => number,
): Promise<Figures> {
  const micros = (part: keyof PartsCpu) => (used(part) / traffic.acked) * 1e6
  return {
    'acked/s': Math.round(traffic.acked / elapsed),
    'p50 ms': traffic.acks.at(0.5),
    'p99 ms': traffic.acks.at(0.99),
    'CPU µs': micros('nodes'),
    'Redis µs': micros('redis'),
    'PostgreSQL µs': micros('postgresql'),
    'load µs': micros('load'),
    cores: (used('nodes') + used('redis') + used('postgresql') + used('load')) / elapsed,
    lost: await traffic.lost(),
  }
}
