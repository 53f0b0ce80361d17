import { cpuSeconds, pool, until } from '../measure.ts'
import type { PhoenixWire } from '../phoenix.ts'
import type { Effort, Report } from '../result.ts'
import type { Parley } from '../subjects/parley.ts'

/** People enter `system:general` as fast as they are let in, until each of them sees all. */
export async function measurePresence(subject: Parley, { quick }: Effort, report: Report): Promise<void> {
  for (const users of quick ? [100] : [100, 400, 1_600]) {
    await subject.prepare(users)
    const accounts = await Promise.all(Array.from({ length: users }, (_, user) => subject.account(user)))
    const wires = await pool(users, 32, (user) => subject.open(user))
    const watches = wires.map(watch)
    const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
    await pool(users, 32, (i) =>
      (wires[i] as PhoenixWire).join('system:general', { token: accounts[i]?.token }),
    )
    const entered = performance.now()
    const all = await until(() => watches.every(({ seen }) => seen.size === users), 20_000)
    const frames = watches.reduce((sum, watched) => sum + watched.frames, 0)
    report({
      scenario: 'presence',
      size: `${users} users`,
      subject: subject.name,
      figures: {
        'entering ms': entered - start,
        'then all see all ms': performance.now() - entered,
        frames,
        'frames each': frames / users,
        MB: watches.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
        'CPU s': cpuSeconds(subject.pid) - cpu,
        lost: all ? 0 : watches.filter(({ seen }) => seen.size < users).length,
      },
    })
    for (const { wire } of wires) wire.destroy()
    await until(() => false, 500)
  }
}

function watch(wire: PhoenixWire) {
  const watched = { seen: new Set<string>(), frames: 0, bytes: 0 }
  wire.onEvent = (frame) => {
    const [, , , event, payload] = JSON.parse(frame.toString())
    if (event !== 'presence_state' && event !== 'presence_diff') return
    watched.frames += 1
    watched.bytes += frame.length
    for (const key of Object.keys(event === 'presence_state' ? payload : payload.joins)) watched.seen.add(key)
  }
  return watched
}
