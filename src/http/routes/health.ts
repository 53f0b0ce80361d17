import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import { component } from '../../schemas/components.ts'
import type { HttpOptions } from '../options.ts'
import { bearerToken } from '../plugins/authenticate.ts'

type HealthOptions = Pick<HttpOptions, 'database' | 'readiness' | 'registry'> &
  Pick<Config, 'metrics'> & { clock: Clock }

/** The readiness check fails if the database does not answer within this time. */
const PING_TIMEOUT_MS = 2_000

/** Counts as ready: all nodes lose Redis at once, and each can still serve its own clients. */
const NO_REDIS = 'ok, but without redis'
const READY_STATES = new Set(['ok', NO_REDIS])

const Health = component('Health', Type.Object({ status: Type.String() }))
const tags = ['Operations']
const status = {
  tags,
  response: {
    200: { ...Health, description: 'Healthy.' },
    503: { ...Health, description: 'Not healthy. `status` has the reason.' },
  },
}

/** Liveness and readiness checks, and metrics. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { database, readiness, registry, metrics, clock },
) => {
  app.get(
    '/livez',
    { schema: { ...status, operationId: 'getLiveness', summary: 'Check whether the process runs' } },
    async () => ({
      status: 'ok',
    }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        ...status,
        operationId: 'getReadiness',
        summary: 'Check whether the node can serve requests',
      },
    },
    async (_request, reply) => {
      const state = await readyStatus()
      if (!READY_STATES.has(state)) reply.code(503).header('retry-after', 1)
      return { status: state }
    },
  )

  if (metrics.kind !== 'off') {
    const schema = { tags, operationId: 'getMetrics', summary: 'Get the metrics in Prometheus format' }
    app.get('/metrics', { schema }, async (request, reply) => {
      if (metrics.kind === 'token') requireToken(request, metrics.token)
      reply.type(registry.contentType)
      return registry.metrics()
    })
  }

  async function readyStatus(): Promise<string> {
    if (!readiness.ready()) return 'not ready'
    if (!(await answersInTime(database, clock))) return 'no database'
    return readiness.reachesNodes() ? 'ok' : NO_REDIS
  }
}

/** Compares hashes in constant time, so that neither the content nor the length of the token leaks. */
function requireToken(request: FastifyRequest, expected: string): void {
  const token = bearerToken(request)
  if (token === undefined) throw new AppError('token_missing')
  if (!timingSafeEqual(hash(token), hash(expected))) throw new AppError('token_invalid')
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
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
