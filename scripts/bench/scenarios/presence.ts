import { cpuSeconds, pool, until } from '../measure.ts'
import type { PhoenixClient } from '../phoenix-client.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Parley } from '../subjects/parley.ts'

/** Measures users joining `system:general` until all of them see each other. */
export async function measurePresence(
  subject: Parley,
  { quick }: BenchOptions,
  report: Report,
): Promise<void> {
  for (const users of quick ? [100] : [100, 400, 1_600]) {
    await subject.prepare(users)
    const accounts = await Promise.all(Array.from({ length: users }, (_, user) => subject.account(user)))
    const clients = await pool(users, 32, (user) => subject.open(user))
    const watches = clients.map(watch)
    const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
    await pool(users, 32, (i) =>
      (clients[i] as PhoenixClient).join('system:general', { token: accounts[i]?.token }),
    )
    const allJoined = performance.now()
    const all = await until(() => watches.every(({ seen }) => seen.size === users), 20_000)
    const frames = watches.reduce((sum, watched) => sum + watched.frames, 0)
    report({
      scenario: 'presence',
      size: `${users} users`,
      subject: subject.name,
      figures: {
        'entering ms': allJoined - start,
        'then all see all ms': performance.now() - allJoined,
        frames,
        'frames each': frames / users,
        MB: watches.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
        'CPU s': cpuSeconds(subject.pid) - cpu,
        lost: all ? 0 : watches.filter(({ seen }) => seen.size < users).length,
      },
    })
    for (const { webSocket } of clients) webSocket.destroy()
    await until(() => false, 500)
  }
}

function watch(client: PhoenixClient) {
  const watched = { seen: new Set<string>(), frames: 0, bytes: 0 }
  client.onEvent = (frame) => {
    const [, , , event, payload] = JSON.parse(frame.toString())
    if (event !== 'presence_state' && event !== 'presence_diff') return
    watched.frames += 1
    watched.bytes += frame.length
    for (const key of Object.keys(event === 'presence_state' ? payload : payload.joins)) watched.seen.add(key)
  }
  return watched
}
