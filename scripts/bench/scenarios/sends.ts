import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, pool } from '../measure.ts'
import type { BenchOptions, Figures, Report } from '../result.ts'
import type { Subject } from '../subjects/subject.ts'
import { closeAll, type Group, listenTo, startGroups, type Traffic } from '../traffic.ts'

/** Measures durable private messages, with a fixed number in flight and at fixed rates. */
export async function measurePairs(
  subject: Subject,
  benchOptions: BenchOptions,
  report: Report,
): Promise<void> {
  const groups = await startGroups(subject, 100, 2)
  for (const inFlight of [1, 20, 200]) {
    const traffic = listenTo(groups)
    const figures = await closedLoop(
      subject,
      benchOptions,
      groups.slice(0, Math.min(100, inFlight)),
      inFlight,
      traffic,
    )
    report({ scenario: 'private sends', size: `${inFlight} in flight`, subject: subject.name, figures })
  }
  for (const rate of [500, 2_000]) {
    const traffic = listenTo(groups)
    const figures = await openLoop(subject, benchOptions, groups, rate, traffic)
    report({ scenario: 'private sends', size: `at ${rate}/s`, subject: subject.name, figures })
  }
  closeAll(groups)
}

/** Measures durable messages to groups of several sizes. */
export async function measureGroups(
  subject: Subject,
  benchOptions: BenchOptions,
  report: Report,
): Promise<void> {
  for (const members of [2, 10, 50, 200]) {
    const groups = await startGroups(subject, Math.min(20, Math.floor(400 / members)), members)
    const traffic = listenTo(groups)
    const figures = await closedLoop(subject, benchOptions, groups, groups.length * 2, traffic)
    const copies = figures['acked/s'] ?? 0
    report({
      scenario: 'group sends',
      size: `${members} members`,
      subject: subject.name,
      figures: { ...figures, 'copies/s': Math.round(copies * members) },
    })
    closeAll(groups)
  }
}

/** Sends with a fixed number of messages in flight. */
export async function closedLoop(
  subject: Subject,
  { seconds }: BenchOptions,
  groups: Group[],
  inFlight: number,
  traffic: Traffic,
): Promise<Figures> {
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const end = start + seconds * 1000
  await pool(inFlight, inFlight, async (i) => {
    while (performance.now() < end) await traffic.send(groups[i % groups.length] as Group)
  })
  return figuresOf(subject, traffic, cpu, start)
}

async function openLoop(
  subject: Subject,
  { seconds }: BenchOptions,
  groups: Group[],
  rate: number,
  traffic: Traffic,
): Promise<Figures> {
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  await sendAtRate(groups, traffic, { rate, seconds })
  return figuresOf(subject, traffic, cpu, start)
}

/**
 * Sends a number of messages a second, regardless of acknowledgements. Latency is measured from the time at which each message was due.
 * Resolves when all are acknowledged.
 */
export async function sendAtRate(
  groups: Group[],
  traffic: Traffic,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<void> {
  const start = performance.now()
  const total = rate * seconds
  const sends: Promise<void>[] = []
  while (sends.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate) + 1)
    while (sends.length < due) {
      sends.push(
        traffic.send(groups[sends.length % groups.length] as Group, start + (sends.length / rate) * 1000),
      )
    }
    await sleep(1)
  }
  await Promise.all(sends)
}

async function figuresOf(subject: Subject, traffic: Traffic, cpu: number, start: number): Promise<Figures> {
  const seconds = (performance.now() - start) / 1000
  const used = cpuSeconds(subject.pid) - cpu
  return {
    'acked/s': Math.round(traffic.acked / seconds),
    'p50 ms': traffic.acks.percentile(0.5),
    'p99 ms': traffic.acks.percentile(0.99),
    'CPU µs': (used / traffic.acked) * 1e6,
    lost: await traffic.lost(),
  }
}
