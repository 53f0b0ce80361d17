import { expect, it } from 'vitest'
import { DEFAULT_POPULATION, type Population } from './chaos/population.ts'
import { formatReport } from './chaos/report.ts'
import { type ChaosOptions, runChaos } from './chaos/run.ts'
import { type Action, type Fault, makeSchedule, type Timed } from './chaos/schedule.ts'

async function expectNoViolations(options: ChaosOptions): Promise<Map<string, number>> {
  const journal = await runChaos(options)
  expect(journal.violationCount, formatReport(journal, options)).toBe(0)
  return journal.counts
}

/** A schedule in which all users send continuously during the given faults. */
function sendDuring(faults: Timed<Fault>[], durationMs: number) {
  const population: Population = {
    people: 3,
    devicesPerUser: 2,
    pollingUsers: [2],
    conversations: [
      [0, 1],
      [0, 1, 2],
    ],
    rooms: [[0, 1, 2]],
  }
  const actions: Timed<Action>[] = []
  for (let at = 0; at < durationMs; at += 60) {
    const step = at / 60
    const person = step % 2
    if (step % 5 === 4) actions.push({ at, kind: 'send_to_room', person, room: 0, retry: 'none' })
    else actions.push({ at, kind: 'send', person, conversation: step % 3 === 0 ? 0 : 1, retry: 'none' })
  }
  return { population, schedule: { faults, actions } }
}

it('creates the same schedule for the same seed, and every fault ends before the schedule does', () => {
  const options = { durationMs: 40_000, nodes: 3, population: DEFAULT_POPULATION }
  const schedule = makeSchedule({ seed: 7, ...options })
  expect(makeSchedule({ seed: 7, ...options })).toEqual(schedule)
  expect(makeSchedule({ seed: 8, ...options })).not.toEqual(schedule)
  for (const fault of schedule.faults) {
    expect(fault.at + ('durationMs' in fault ? fault.durationMs : 0)).toBeLessThan(options.durationMs)
  }
})

it('loses nothing when nodes, Redis, the database and connections fail at random', async () => {
  const seed = 1
  const counts = await expectNoViolations({ seed, durationMs: 40_000, nodes: 3 })
  for (const kind of ['kill', 'drain', 'freeze', 'stop_redis', 'stop_postgres', 'cut_clients'])
    expect(counts.get(`fault ${kind}`), kind).toBeGreaterThan(0)
})

it('loses nothing during a rolling restart of all nodes', async () => {
  const faults: Timed<Fault>[] = [0, 1, 2].map((node) => ({
    at: 1_000 + node * 3_000,
    kind: 'drain',
    node,
    durationMs: 100,
  }))
  const counts = await expectNoViolations({
    seed: 1,
    nodes: 3,
    durationMs: 11_000,
    ...sendDuring(faults, 11_000),
  })
  expect(counts.get('fault drain')).toBe(3)
  expect(counts.get('messages acked')).toBeGreaterThan(100)
})

it('loses nothing and leaves no partial changes when the database is restarted', async () => {
  const faults: Timed<Fault>[] = [
    { at: 1_000, kind: 'stop_postgres', durationMs: 1_500 },
    { at: 4_000, kind: 'stop_postgres', durationMs: 100 },
  ]
  await expectNoViolations({ seed: 1, nodes: 3, durationMs: 6_000, ...sendDuring(faults, 6_000) })
})
