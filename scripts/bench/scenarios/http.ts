import postgres from 'postgres'
import { HttpClient } from '../http-client.ts'
import { cpuSeconds, Latencies, pool } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Parley } from '../subjects/parley.ts'

const CONNECTIONS = 32
const LOGINS = 200

/** Measures reading the latest 20 messages of conversations of several lengths. On PostgreSQL only, where rows are inserted in bulk. */
export async function measureHistory(
  subject: Parley,
  { seconds, quick }: BenchOptions,
  report: Report,
): Promise<void> {
  const { databaseUrl } = subject
  if (!databaseUrl) return
  const { token } = await subject.account(0)
  const client = await subject.connect(0)
  for (const length of quick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000]) {
    const conversation = await subject.startConversation([client])
    await fillHistory(databaseUrl, conversation, client.userId, length)
    const path = `/api/messages?conversation_id=${conversation}`
    const figures = await measureRequests(subject, { path, token, seconds })
    report({ scenario: 'history page', size: `${length} messages`, subject: subject.name, figures })
  }
  client.close()
}

/** Measures concurrent logins, and the latency of other requests during them. */
export async function measureLogin(subject: Parley, _effort: BenchOptions, report: Report): Promise<void> {
  const { email, token } = await subject.account(0)
  const body = JSON.stringify({ email, password: 'four brave otters sing' })
  const others = new Latencies()
  let isDone = false
  const sendOtherRequests = async () => {
    const client = new HttpClient(subject.http)
    while (!isDone) {
      const since = performance.now()
      await client.request('GET', '/api/sessions', { token })
      others.add(performance.now() - since)
    }
    client.close()
  }
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const otherRequests = sendOtherRequests()
  const statuses = await pool(LOGINS, LOGINS, async () => {
    const client = new HttpClient(subject.http)
    const status = await client.request('POST', '/auth/login', { body })
    client.close()
    return status
  })
  const elapsed = (performance.now() - start) / 1000
  isDone = true
  await otherRequests
  report({
    scenario: 'login',
    size: `${LOGINS} at once`,
    subject: subject.name,
    figures: {
      'logins/s': Math.round(LOGINS / elapsed),
      'CPU ms': ((cpuSeconds(subject.pid) - cpu) / LOGINS) * 1000,
      'others p50 ms': others.percentile(0.5),
      'others p99 ms': others.percentile(0.99),
      lost: statuses.filter((status) => status !== 200).length,
    },
  })
}

async function measureRequests(
  subject: Parley,
  { path, token, seconds }: { path: string; token: string; seconds: number },
) {
  const clients = Array.from({ length: CONNECTIONS }, () => new HttpClient(subject.http))
  const latencies = new Latencies()
  let [answered, failed] = [0, 0]
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() - start < seconds * 1000) {
        const since = performance.now()
        if ((await client.request('GET', path, { token })) !== 200) failed += 1
        latencies.add(performance.now() - since)
        answered += 1
      }
      client.close()
    }),
  )
  const elapsed = (performance.now() - start) / 1000
  return {
    'pages/s': Math.round(answered / elapsed),
    'p50 ms': latencies.percentile(0.5),
    'p99 ms': latencies.percentile(0.99),
    'CPU µs': ((cpuSeconds(subject.pid) - cpu) / answered) * 1e6,
    lost: failed,
  }
}

async function fillHistory(
  databaseUrl: string,
  conversation: string,
  userId: string,
  length: number,
): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 })
  await sql`
    insert into message_groups (id, conversation_id, sender_id, seq, copy_encoding, recipients, copies)
    select gen_random_uuid(), ${conversation}::uuid, ${userId}::uuid, n, 1, array[${userId}::uuid],
      array[decode(repeat('y', 344), 'base64')]
    from generate_series(1, ${length}::int) n`
  await sql`update conversations set last_seq = ${length} where id = ${conversation}`
  await sql`analyze message_groups`
  await sql.end()
}
