import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import type { Clock } from '../../clock.ts'
import type { HttpOptions } from '../options.ts'

type HealthOptions = Pick<HttpOptions, 'database' | 'readiness' | 'registry'> & { clock: Clock }

/** Milliseconds the database has to answer. */
const PING_TIMEOUT_MS = 2_000

/** All nodes lose Redis at once, and each still serves its own clients: none should be taken out of service. */
const NO_REDIS = 'ok, but without redis'
const SERVES = new Set(['ok', NO_REDIS])

const Status = (description: string) => Type.Object({ status: Type.String() }, { description })
const tags = ['Operation']
const status = { tags, response: { 200: Status('Yes.'), 503: Status('No, for the reason given.') } }

/** Whether the process lives, whether it can serve, and its figures. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { database, readiness, registry, clock },
) => {
  app.get('/livez', { schema: { ...status, summary: 'Whether the process lives' } }, async () => ({
    status: 'ok',
  }))

  app.get('/readyz', { schema: { ...status, summary: 'Whether it can serve' } }, async (_request, reply) => {
    const state = await readyStatus()
    if (!SERVES.has(state)) reply.code(503).header('retry-after', 1)
    return { status: state }
  })

  app.get(
    '/metrics',
    { schema: { tags, summary: 'Its figures, for Prometheus' } },
    async (_request, reply) => {
      reply.type(registry.contentType)
      return registry.metrics()
    },
  )

  async function readyStatus(): Promise<string> {
    if (!readiness.ready()) return 'not ready'
    if (!(await answersInTime(database, clock))) return 'no database'
    return readiness.reachesNodes() ? 'ok' : NO_REDIS
  }
}

function answersInTime(database: HealthOptions['database'], clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(PING_TIMEOUT_MS, () => resolve(false))
    database
      .ping()
      .then(
        () => resolve(true),
        () => resolve(false),
      )
      .finally(cancel)
  })
}
