import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { admit, isAllowedOrigin, queryOf, type TransportOptions } from './handshake.ts'
import { PollRelay } from './poll-relay.ts'
import type { PollAnswer, Pollable } from './poll-session.ts'
import { PollSessions } from './poll-sessions.ts'
import { PollTokens } from './poll-tokens.ts'

export interface LongPollOptions extends TransportOptions {
  /** Signs the names of sessions; the same on all nodes. */
  key: Buffer
}

/** What a client is told: every answer is a 200 of HTTP, whose body has the status that counts. */
interface Told extends Omit<PollAnswer, 'status'> {
  status: PollAnswer['status'] | 403
  token?: string | undefined
}

/** Of a batch: as the clients make them, of messages that are not all as long as they may be. */
const MOST_FRAMES_BYTES = 8

/** Serves an endpoint to clients that cannot open a WebSocket: phoenix.js asks for what was sent, again and again. */
export async function longPollTransport(app: FastifyInstance, options: LongPollOptions): Promise<void> {
  const { endpoint, allowedOrigins, maxFrameBytes } = options
  const path = `${options.path}/longpoll`
  const tokens = new PollTokens(options.key)
  const sessions = new PollSessions(endpoint, maxFrameBytes)
  const relay = new PollRelay(endpoint.nodes, endpoint.clock, (id) => sessions.find(id))
  const bodyLimit = maxFrameBytes * MOST_FRAMES_BYTES
  // Clients can tell no other failure from a bug: this one has them come back.
  const route = { schema: { hide: true }, exposeHeadRoute: false, bodyLimit, errorHandler: comeBack }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request, reply) => share(request, reply, allowedOrigins))
  app.addHook('preClose', async () => sessions.stop())

  app.options(path, route, async ({ headers }, reply) => {
    const asked = headers['access-control-request-headers']
    reply.headers({ 'access-control-allow-methods': 'GET, POST', 'access-control-max-age': '3600' })
    if (asked !== undefined) reply.header('access-control-allow-headers', asked)
    return reply.code(204).send()
  })

  app.get(path, route, async (request, reply): Promise<Told> => {
    if (!isAllowedOrigin(request, allowedOrigins)) return { status: 403 }
    const named = sessionOf(request)
    if (!named?.session) return open(request, named !== undefined)
    const answer = await pollFor(named.session, reply)
    return answer.status === 410 ? open(request, true) : { messages: [], ...answer, token: named.token }
  })

  app.post(path, route, async (request): Promise<Told> => {
    if (!isAllowedOrigin(request, allowedOrigins)) return { status: 403 }
    const session = sessionOf(request)?.session
    if (!session) return { status: 410 }
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const isBatch = request.headers['content-type']?.startsWith('application/x-ndjson') ?? false
    return new Promise((resolve) => session.publish(body, isBatch, resolve))
  })

  /** The session a request names, in a token that follows that of the user; without `session`: one that is over. */
  function sessionOf({ raw }: FastifyRequest): { token: string; session: Pollable | undefined } | undefined {
    const token = new URLSearchParams(queryOf(raw.url)).getAll('token').at(-1)
    const address = token === undefined ? undefined : tokens.read(token)
    return token !== undefined && address
      ? { token, session: sessions.find(address.id) ?? relay.session(address) }
      : undefined
  }

  /** @param takesPlace of a session that is over. */
  function open({ raw }: FastifyRequest, takesPlace: boolean): Told {
    const admission = admit(options, raw)
    if (admission === 503) return { status: 500 }
    if (admission === 403) return { status: 403 }
    // A session that is opened and left stays for a while: nobody may open them without end.
    if (endpoint.limit(admission.identity.userId, 'phx_join')) return { status: 500 }
    const id = sessions.open(admission, takesPlace)
    return { status: 410, token: tokens.write({ nodeId: endpoint.nodes.id, id }), messages: [] }
  }
}

function pollFor(session: Pollable, { raw }: FastifyReply): Promise<PollAnswer> {
  return new Promise((resolve) => {
    const leave = session.poll(resolve)
    // Whoever asked is gone: what was not sent yet is for the next poll.
    raw.once('close', () => {
      leave()
      resolve({ status: 204 })
    })
  })
}

/** Lets the pages that may connect read the answers. */
function share(request: FastifyRequest, reply: FastifyReply, allowed: '*' | string[]): void {
  const { origin } = request.headers
  reply.headers({ 'cache-control': 'no-store', vary: 'Origin' })
  if (origin === undefined || !isAllowedOrigin(request, allowed)) return
  reply.header('access-control-allow-origin', allowed === '*' ? '*' : origin)
}

function comeBack(
  error: { statusCode?: number; status?: number },
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const status = error.statusCode ?? error.status ?? 500
  if (status === 500) request.log.error({ err: error }, 'a request of long polling failed')
  return reply.code(status).send({ status: 500 })
}
