import { hash } from '@node-rs/argon2'
import postgres from 'postgres'
import { backendCpuSeconds, cpuSeconds, Latencies } from '../measure.ts'
import type { BenchOptions, Figures, Report } from '../result.ts'
import type { Parley } from '../subjects/parley.ts'

const PASSWORD = 'four brave otters sing'
const CONVERSATIONS = [50, 5_000]
const MESSAGES = 20

/** The cost parameters of the server. */
const HASH_COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/**
 * Measures signing in with few and with many conversations: a login, a connection, the joins of `user:<id>` and `system:general`, and
 * the first page of conversations. Then registrations, logins and refreshes alone. One at a time, on PostgreSQL.
 */
export async function measureSignIn(
  subject: Parley,
  { seconds }: BenchOptions,
  report: Report,
): Promise<void> {
  const { databaseUrl } = subject
  if (!databaseUrl) return
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const run = (size: string, work: (index: number) => Promise<unknown>) =>
    measure({ subject, sql, seconds }, work).then((figures) => {
      report({ scenario: 'sign-in', size, subject: subject.name, figures })
      return figures
    })
  const costs: Figures[] = []
  for (const [user, count] of CONVERSATIONS.entries()) {
    const { id, email } = await subject.account(user)
    await addConversations(sql, id, count)
    costs.push(await run(`${count} conversations`, () => signIn(subject, email)))
  }
  const [few, many] = costs as [Figures, Figures]
  const ratio = Object.fromEntries(
    Object.keys(few).map((name) => [name, (many[name] ?? 0) / (few[name] ?? 0)]),
  )
  report({ scenario: 'sign-in', size: 'ratio', subject: subject.name, figures: { ...ratio, lost: 0 } })

  const { email } = await subject.account(100)
  await run('hash alone, here', () => hash(PASSWORD, HASH_COST))
  await run('registration', (index) => post(subject, '/auth/register', account(`new${index}@example.com`)))
  await run('login', () => post(subject, '/auth/login', account(email)))
  let { refresh_token: token } = await post(subject, '/auth/login', account(email))
  await run('refresh', async () => {
    ;({ refresh_token: token } = await post(subject, '/auth/refresh', { token }))
  })
  await sql.end()
}

async function signIn(subject: Parley, email: string): Promise<void> {
  const { user, auth_token: token } = await post(subject, '/auth/login', account(email))
  const client = await subject.openWith(token)
  await Promise.all([
    client.join(`user:${user.id}`, { token }),
    client.join('system:general', { token }),
    subject.request('GET', '/api/conversations', { token }),
  ])
  client.webSocket.destroy()
}

interface SignedIn {
  user: { id: string }
  auth_token: string
  refresh_token: string
}

async function post(subject: Parley, path: string, body: object): Promise<SignedIn> {
  // Every path that this file requests has this response.
  return (await subject.request('POST', path, { body })) as SignedIn
}

function account(email: string) {
  return { email, password: PASSWORD }
}

async function measure(
  { subject, sql, seconds }: { subject: Parley; sql: postgres.Sql; seconds: number },
  work: (index: number) => Promise<unknown>,
): Promise<Figures> {
  // Statements are prepared and planned at their first uses.
  for (let index = 0; index < 10; index++) await work(-index)
  const latencies = new Latencies()
  const [cpu, database, start] = [cpuSeconds(subject.pid), await backendCpuSeconds(sql), performance.now()]
  let count = 0
  for (; performance.now() - start < seconds * 1000; count++) {
    const since = performance.now()
    await work(count + 1)
    latencies.add(performance.now() - since)
  }
  const elapsed = (performance.now() - start) / 1000
  return {
    '/s': count / elapsed,
    'p50 ms': latencies.percentile(0.5),
    'p99 ms': latencies.percentile(0.99),
    'CPU ms': ((cpuSeconds(subject.pid) - cpu) / count) * 1000,
    'PostgreSQL ms': (((await backendCpuSeconds(sql)) - database) / count) * 1000,
  }
}

/** Adds groups of the user and another one, the latest five of whose messages are unread. */
async function addConversations(sql: postgres.Sql, userId: string, count: number): Promise<void> {
  await sql`
    with others as (
      insert into users (id, short_id, email, canonical_email, username, display_name)
      select gen_random_uuid(), 'other-' || n || ${userId}::text, 'other' || n || ${userId}::text || '@example.com',
        'other' || n || ${userId}::text || '@example.com', 'other-' || n || '-' || ${userId}::text, 'Other ' || n
      from generate_series(1, ${count}::int) n returning id
    ), pairs as (
      select id as other_id, gen_random_uuid() as id from others
    ), added as (
      insert into conversations (id, private, last_seq) select id, false, ${MESSAGES}::int from pairs
    ), joined as (
      insert into members (conversation_id, user_id, read_seq)
      select id, ${userId}::uuid, ${MESSAGES - 5}::int from pairs union all select id, other_id, ${MESSAGES}::int from pairs
    )
    insert into message_groups (id, conversation_id, sender_id, seq)
    select gen_random_uuid(), id, other_id, seq from pairs, generate_series(1, ${MESSAGES}::int) seq`
  await sql`vacuum analyze`
}
