import { Latencies, pool } from '../measure.ts'
import type { BenchOptions, Figures, Report } from '../result.ts'
import { type CpuByPart, ParleyNodes } from '../subjects/parley-nodes.ts'
import { closeAll, type Group, listenTo, startGroups } from '../traffic.ts'

const PAIRS = 100
const IN_FLIGHT = [1, 20, 200]
const ROUND_MS = 1_000

/** The compared deployments. A single node with Redis publishes as one of several does. */
const DEPLOYMENTS = [
  { nodes: 1, withRedis: false },
  { nodes: 1, withRedis: true },
  { nodes: 2, withRedis: true },
  { nodes: 3, withRedis: true },
]

interface Deployment {
  subject: ParleyNodes
  groups: Group[]
}

/** The sums over all rounds of one deployment. */
interface Totals {
  acked: number
  acks: Latencies
  seconds: number
  cpu: CpuByPart
  lost: number
}

/**
 * Measures the CPU of each part for durable private messages on one and on several nodes of the same machine. With several nodes,
 * each message is delivered on another node. The deployments take turns, so that other load on the machine affects all equally.
 */
export async function measureNodes({ seconds }: BenchOptions, report: Report): Promise<void> {
  const deployments: Deployment[] = []
  try {
    for (const { nodes, withRedis } of DEPLOYMENTS) {
      const subject = await ParleyNodes.start(nodes, withRedis)
      const deployment = { subject, groups: [] as Group[] }
      deployments.push(deployment)
      deployment.groups = await startGroups(subject, PAIRS, 2)
    }
    // Warms up the JIT compiler. Otherwise the first row would include it.
    for (const deployment of deployments) await runRound(deployment, Math.max(...IN_FLIGHT), newTotals())
    const loops = IN_FLIGHT.flatMap((inFlight) =>
      deployments.map((deployment) => ({ inFlight, deployment, totals: newTotals() })),
    )
    for (let round = 0; round < seconds; round++) {
      for (const { deployment, inFlight, totals } of loops) await runRound(deployment, inFlight, totals)
    }
    for (const { deployment, inFlight, totals } of loops) {
      const { name: subject } = deployment.subject
      report({ scenario: 'nodes', size: `${inFlight} in flight`, subject, figures: figuresOf(totals) })
    }
  } finally {
    for (const { subject, groups } of deployments) {
      await subject.stop()
      closeAll(groups)
    }
  }
}

async function runRound({ subject, groups }: Deployment, inFlight: number, totals: Totals): Promise<void> {
  const traffic = listenTo(groups, totals.acks)
  const writers = groups.slice(0, Math.min(groups.length, inFlight))
  const before = await subject.cpu()
  const start = performance.now()
  await pool(inFlight, inFlight, async (index) => {
    while (performance.now() < start + ROUND_MS) await traffic.send(writers[index % writers.length] as Group)
  })
  totals.seconds += (performance.now() - start) / 1000
  const after = await subject.cpu()
  for (const part of PARTS) totals.cpu[part] += after[part] - before[part]
  totals.acked += traffic.acked
  totals.lost += await traffic.lost()
}

const PARTS = ['nodes', 'redis', 'postgresql', 'load'] as const

function newTotals(): Totals {
  const cpu = { nodes: 0, redis: 0, postgresql: 0, load: 0 }
  return { acked: 0, acks: new Latencies(), seconds: 0, cpu, lost: 0 }
}

function figuresOf({ acked, acks, seconds, cpu, lost }: Totals): Figures {
  const micros = (part: keyof CpuByPart) => (cpu[part] / acked) * 1e6
  return {
    'acked/s': Math.round(acked / seconds),
    'p50 ms': acks.percentile(0.5),
    'p99 ms': acks.percentile(0.99),
    'CPU µs': micros('nodes'),
    'Redis µs': micros('redis'),
    'PostgreSQL µs': micros('postgresql'),
    'load µs': micros('load'),
    'cores used': PARTS.reduce((sum, part) => sum + cpu[part], 0) / seconds,
    lost,
  }
}
