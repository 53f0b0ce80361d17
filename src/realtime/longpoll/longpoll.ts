import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { connect, type HandshakeOptions, isAllowedOrigin, queryOf } from '../socket/handshake.ts'
import { PollRelay } from './poll-relay.ts'
import type { PollAnswer, Pollable } from './poll-session.ts'
import { PollSessions } from './poll-sessions.ts'
import { PollTokens } from './poll-tokens.ts'

export interface LongPollOptions extends HandshakeOptions {
  /** Signs session tokens. Must be the same on all nodes. */
  key: Buffer
}

/** The body of a response. The HTTP status is 200; clients read the status in the body. */
interface LongPollResponse extends Omit<PollAnswer, 'status'> {
  status: PollAnswer['status'] | 403
  token?: string | undefined
}

/** The size of a request body, in frames of maximum size. */
const MAX_FRAMES_PER_BODY = 8

/** Serves an endpoint to clients that cannot open a WebSocket, by the long polling protocol of phoenix.js. */
export async function serveLongPoll(app: FastifyInstance, options: LongPollOptions): Promise<void> {
  const { endpoint, allowedOrigins, maxFrameBytes } = options
  const path = `${options.path}/longpoll`
  const tokens = new PollTokens(options.key)
  const sessions = new PollSessions(endpoint, maxFrameBytes)
  const relay = new PollRelay(endpoint.nodes, endpoint.clock, (id) => sessions.find(id))
  const bodyLimit = maxFrameBytes * MAX_FRAMES_PER_BODY
  const route = { schema: { hide: true }, exposeHeadRoute: false, bodyLimit, errorHandler: answerError }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request, reply) => setResponseHeaders(request, reply, allowedOrigins))
  app.addHook('preClose', async () => sessions.stop())

  app.options(path, route, async ({ headers }, reply) => {
    const requested = headers['access-control-request-headers']
    reply.headers({ 'access-control-allow-methods': 'GET, POST', 'access-control-max-age': '3600' })
    if (requested !== undefined) reply.header('access-control-allow-headers', requested)
    return reply.code(204).send()
  })

  app.get(path, route, async (request, reply): Promise<LongPollResponse> => {
    if (!isAllowedOrigin(request, allowedOrigins)) return { status: 403 }
    const found = sessionOf(request)
    if (!found?.session) return open(request, found !== undefined)
    const answer = await pollFor(found.session, reply)
    return answer.status === 410 ? open(request, true) : { messages: [], ...answer, token: found.token }
  })

  app.post(path, route, async (request): Promise<LongPollResponse> => {
    if (!isAllowedOrigin(request, allowedOrigins)) return { status: 403 }
    const session = sessionOf(request)?.session
    if (!session) return { status: 410 }
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const isBatch = request.headers['content-type']?.startsWith('application/x-ndjson') ?? false
    return new Promise((resolve) => session.publish(body, isBatch, resolve))
  })

  /**
   * The session that a request names. Its token is the last `token` parameter; the user's comes first.
   * @returns undefined without a valid token; no `session` for one that has ended.
   */
  function sessionOf({ raw }: FastifyRequest): { token: string; session: Pollable | undefined } | undefined {
    const token = new URLSearchParams(queryOf(raw.url)).getAll('token').at(-1)
    const address = token === undefined ? undefined : tokens.read(token)
    return token !== undefined && address
      ? { token, session: sessions.find(address.id) ?? relay.session(address) }
      : undefined
  }

  /** @param replacesSession whether the client had a session that has ended. */
  function open({ raw }: FastifyRequest, replacesSession: boolean): LongPollResponse {
    const result = connect(options, raw)
    if ('reason' in result) return { status: result.status === 403 ? 403 : 500 }
    // An abandoned session stays for a while, so opening them is limited.
    if (endpoint.limits.takeMessage(result.identity.userId, 'phx_join')) return { status: 500 }
    const id = sessions.open(result, replacesSession)
    return { status: 410, token: tokens.write({ nodeId: endpoint.nodes.id, id }), messages: [] }
  }
}

function pollFor(session: Pollable, { raw }: FastifyReply): Promise<PollAnswer> {
  return new Promise((resolve) => {
    const cancel = session.poll(resolve)
    // After the client disconnects, the session keeps its messages for the next poll.
    raw.once('close', () => {
      cancel()
      resolve({ status: 204 })
    })
  })
}

/** Allows pages of the allowed origins to read the response (CORS). */
function setResponseHeaders(request: FastifyRequest, reply: FastifyReply, allowed: '*' | string[]): void {
  const { origin } = request.headers
  reply.headers({ 'cache-control': 'no-store', vary: 'Origin' })
  if (origin === undefined || !isAllowedOrigin(request, allowed)) return
  reply.header('access-control-allow-origin', allowed === '*' ? '*' : origin)
}

/** Answers an error so that phoenix.js reconnects. */
function answerError(
  error: { statusCode?: number; status?: number },
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const status = error.statusCode ?? error.status ?? 500
  if (status === 500) request.log.error({ err: error }, 'A long-polling request failed')
  return reply.code(status).send({ status: 500 })
}
