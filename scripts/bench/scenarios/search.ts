import postgres from 'postgres'
import { HttpClient } from '../http-client.ts'
import { cpuSeconds, Latencies } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Parley } from '../subjects/parley.ts'
import { closeAll, listenTo, startGroups } from '../traffic.ts'
import { sendAtRate } from './sends.ts'

const USERS = 200_000
const SENDS_PER_SECOND = 200
const SEARCHES_PER_SECOND = 20

/** Searches by what they find: a person, some, many, or nobody; and those that no index narrows down. */
const SEARCHES: Record<string, string[]> = {
  'one person': ['olga.petrova17', 'Nguyen 4242', 'søren.jensen9', '李伟 77'],
  'part of names': ['mar', 'ann', 'son', 'example', 'ова'],
  'one or two characters': ['a', 'ma', 'é', '李', 'zq', '7', '._'],
  'no match': ['zzzzqq', 'qqq', 'xqzw', '🦊🦊🦊', 'example.comx'],
  wildcards: ['%', '___', '%%%%', 'a%b', '\\', '..c', '@ex'],
}

const FIRST_NAMES =
  'Ann Maria Mario Olga Søren José Zoë Li Wei Fatima Ahmed John Johanna Peter Петр Ольга Anna Annika Marek Martina Chloé Björn Łukasz Yuki Amara Priya Raj Kofi Chen 李伟 王芳 Jean-Paul'
const LAST_NAMES =
  "Smith Johnson Petrova Petrov Nguyen Jensen Andersson Martin Marsh García Müller O'Brien Kowalski Tanaka Иванова Okafor Singh Patel Mensah Chen Wang Dubois Rossi Silva Santos Novak Horvat Yılmaz Öztürk Kim"

/** Measures user searches among 200,000 users, while private messages are sent at a fixed rate. */
export async function measureSearch(
  subject: Parley,
  { seconds }: BenchOptions,
  report: Report,
): Promise<void> {
  const { databaseUrl } = subject
  if (!databaseUrl) return
  const groups = await startGroups(subject, 20, 2)
  await addUsers(databaseUrl)
  const { token } = await subject.account(0)
  for (const [size, searches] of Object.entries({ 'no search': [], ...SEARCHES })) {
    const traffic = listenTo(groups)
    const cpu = cpuSeconds(subject.pid)
    const [found] = await Promise.all([
      searchAtRate(subject, { searches, token, seconds }),
      sendAtRate(groups, traffic, { rate: SENDS_PER_SECOND, seconds }),
    ])
    report({
      scenario: 'user search',
      size,
      subject: subject.name,
      figures: {
        ...(searches.length && {
          'p50 ms': found.latencies.percentile(0.5),
          'p99 ms': found.latencies.percentile(0.99),
        }),
        'sends p50 ms': traffic.acks.percentile(0.5),
        'sends p99 ms': traffic.acks.percentile(0.99),
        'CPU %': ((cpuSeconds(subject.pid) - cpu) / seconds) * 100,
        lost: found.failed + (await traffic.lost()),
      },
    })
  }
  closeAll(groups)
}

/** Searches at a fixed rate regardless of responses. Latency is measured from the time at which each search was due. */
async function searchAtRate(
  subject: Parley,
  { searches, token, seconds }: { searches: string[]; token: string; seconds: number },
) {
  const latencies = new Latencies()
  let failed = 0
  const start = performance.now()
  const total = searches.length ? SEARCHES_PER_SECOND * seconds : 0
  const search = async (index: number) => {
    const due = start + (index / SEARCHES_PER_SECOND) * 1000
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
    const client = new HttpClient(subject.http)
    const text = encodeURIComponent(searches[index % searches.length] as string)
    if ((await client.request('GET', `/api/users?search=${text}`, { token })) !== 200) failed += 1
    latencies.add(performance.now() - due)
    client.close()
  }
  await Promise.all(Array.from({ length: total }, (_, index) => search(index)))
  return { latencies, failed }
}

/** Every third user has no display name, which is the email then. */
async function addUsers(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, connection: { maintenance_work_mem: '256MB' } })
  // Building the search indexes afterwards is ten times as fast.
  const indexes = await sql`
    select indexname as name, indexdef as definition from pg_indexes where tablename = 'users' and indexdef like '%lower(%'`
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  await sql`
    with people as (
      select n, first, last, lower(regexp_replace(first || '.' || last, '[^[:alnum:].]', '', 'g')) || n || '@' ||
        (array['example.com', 'mail.example', 'company.example', 'post.example.net'])[n % 4 + 1] as email
      from (
        select n, (string_to_array(${FIRST_NAMES}, ' '))[n * 7 % 32 + 1] as first,
          (string_to_array(${LAST_NAMES}, ' '))[n * 11 % 30 + 1] as last
        from generate_series(1, ${USERS}::int) n
      ) names
    ), added as (
      insert into users (id, short_id, email, canonical_email, username, display_name, email_confirmed_at)
      select gen_random_uuid(), 'short-' || n, email, email, 'user-' || substr(md5(n::text), 1, 10) || n,
        case when n % 3 = 0 then email else left(first || ' ' || last || ' ' || n, 20) end, now()
      from people returning id
    )
    insert into profiles (user_id) select id from added`
  for (const { definition } of indexes) await sql.unsafe(definition)
  await sql`vacuum analyze users`
  await sql.end()
}
