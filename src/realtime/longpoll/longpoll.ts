import type { IncomingMessage, ServerResponse } from 'node:http'
import { PollStatus, RefusalStatus } from '../codes.ts'
import { connect, type HandshakeOptions, isAllowedOrigin, paramsOf, pathOf } from '../socket/handshake.ts'
import { PollRelay } from './poll-relay.ts'
import type { PollAnswer, Pollable } from './poll-session.ts'
import { PollSessions } from './poll-sessions.ts'
import { isPollToken, PollTokens } from './poll-tokens.ts'
import { BodyTooLarge, readBody } from './request-body.ts'

export interface LongPollOptions extends HandshakeOptions {
  /** Signs session tokens. Must be the same on all nodes. */
  key: Buffer
}

/** The body of a response. The HTTP status is 200, or that of an error; clients read the status in the body. */
interface LongPollResponse extends Omit<PollAnswer, 'status'> {
  status: PollAnswer['status'] | typeof PollStatus.forbidden
  token?: string | undefined
}

/** The session that a request names; no `session` if it has ended. */
interface NamedSession {
  token: string
  session: Pollable | undefined
}

/** The size of a request body, in frames of maximum size. */
const MAX_FRAMES_PER_BODY = 8

/** A newer phoenix.js sends the session token here, older ones as the last `token` parameter, after that of the user. */
const SESSION_HEADER = 'x-phoenix-longpoll-token'

/** A request body with one frame per line. Any other body is one frame. */
const BATCH_TYPE = 'application/x-ndjson'

/** The body of every error. phoenix.js throws at a body without a status that it knows; after this one it reconnects. */
const TRY_AGAIN = { status: PollStatus.unavailable }

/** Serves an endpoint to clients that cannot open a WebSocket, by the long polling protocol of phoenix.js. */
export class LongPollService {
  readonly #options: LongPollOptions
  readonly #path: string
  readonly #tokens: PollTokens
  readonly #sessions: PollSessions
  readonly #relay: PollRelay

  constructor(options: LongPollOptions) {
    const { endpoint, maxFrameBytes } = options
    this.#options = options
    this.#path = `${options.path}/longpoll`
    this.#tokens = new PollTokens(options.key)
    this.#sessions = new PollSessions(endpoint, maxFrameBytes)
    this.#relay = new PollRelay(endpoint.nodes, endpoint.clock, (id) => this.#sessions.find(id))
  }

  /** Answers a request, also one to a path below that of long polling. @returns false for a request to another path. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const path = pathOf(request.url)
    if (path === this.#path) void this.#handle(request, response)
    else if (path.startsWith(`${this.#path}/`)) answer(response, 404, TRY_AGAIN)
    else return false
    return true
  }

  /** Ends all sessions, which answers their polls. */
  stop(): void {
    this.#sessions.stop()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    setResponseHeaders(request, response, this.#options.allowedOrigins)
    try {
      if (request.method === 'OPTIONS') answerPreflight(request, response)
      else if (request.method === 'GET') answer(response, 200, await this.#poll(request, response))
      else if (request.method === 'POST') answer(response, 200, await this.#publish(request))
      else answer(response.setHeader('allow', 'GET, POST, OPTIONS'), 405, TRY_AGAIN)
    } catch (error) {
      answer(response, error instanceof BodyTooLarge ? 413 : 500, TRY_AGAIN)
      // The client may leave while it sends the body.
      if (error instanceof BodyTooLarge || request.errored) return
      this.#options.endpoint.logError(error, 'A long-polling request failed')
    }
  }

  async #poll(request: IncomingMessage, response: ServerResponse): Promise<LongPollResponse> {
    if (!isAllowedOrigin(request, this.#options.allowedOrigins)) return { status: PollStatus.forbidden }
    const found = this.#sessionOf(request)
    if (!found?.session) return this.#open(request, found !== undefined)
    const polled = await pollFor(found.session, response)
    if (polled.status === PollStatus.gone) return this.#open(request, true)
    return { messages: [], ...polled, token: found.token }
  }

  async #publish(request: IncomingMessage): Promise<LongPollResponse> {
    const { allowedOrigins, maxFrameBytes } = this.#options
    const body = await readBody(request, maxFrameBytes * MAX_FRAMES_PER_BODY)
    if (!isAllowedOrigin(request, allowedOrigins)) return { status: PollStatus.forbidden }
    const session = this.#sessionOf(request)?.session
    if (!session) return { status: PollStatus.gone }
    const isBatch = request.headers['content-type']?.startsWith(BATCH_TYPE) ?? false
    return new Promise((resolve) => session.publish(body, isBatch, resolve))
  }

  /** The session that a request names. */
  #sessionOf({ url, headers }: IncomingMessage): NamedSession | undefined {
    const header = headers[SESSION_HEADER]
    const token = typeof header === 'string' ? header : paramsOf(url).getAll('token').at(-1)
    const address = token === undefined ? undefined : this.#tokens.read(token)
    return token !== undefined && address
      ? { token, session: this.#sessions.find(address.id) ?? this.#relay.session(address) }
      : undefined
  }

  /** @param replacesSession whether the client had a session that has ended. */
  async #open(request: IncomingMessage, replacesSession: boolean): Promise<LongPollResponse> {
    const { endpoint } = this.#options
    const params = withoutSession(paramsOf(request.url))
    const result = await connect(this.#options, request, { transport: 'longpoll', params })
    if ('reason' in result) {
      const isForbidden = RefusalStatus[result.reason] === 403
      return { status: isForbidden ? PollStatus.forbidden : PollStatus.unavailable }
    }
    // An abandoned session stays for a while, so opening them is limited.
    if (endpoint.limits.takeMessage(result.identity.userId, 'phx_join')) {
      return { status: PollStatus.unavailable }
    }
    const id = this.#sessions.open(result, replacesSession)
    return {
      status: PollStatus.gone,
      token: this.#tokens.write({ nodeId: endpoint.nodes.id, id }),
      messages: [],
    }
  }
}

/** The parameters of the user, which contain a `token` too. */
function withoutSession(params: URLSearchParams): URLSearchParams {
  const tokens = params.getAll('token').filter((token) => !isPollToken(token))
  params.delete('token')
  for (const token of tokens) params.append('token', token)
  return params
}

function pollFor(session: Pollable, response: ServerResponse): Promise<PollAnswer> {
  return new Promise((resolve) => {
    const cancel = session.poll(resolve)
    // After the client disconnects, the session keeps its messages for the next poll.
    response.once('close', () => {
      cancel()
      resolve({ status: PollStatus.noContent })
    })
  })
}

/** Allows pages of the allowed origins to read the response (CORS). */
function setResponseHeaders(
  request: IncomingMessage,
  response: ServerResponse,
  allowed: '*' | readonly string[],
): void {
  const { origin } = request.headers
  response.setHeader('cache-control', 'no-store').setHeader('vary', 'Origin')
  if (origin === undefined || !isAllowedOrigin(request, allowed)) return
  response.setHeader('access-control-allow-origin', allowed === '*' ? '*' : origin)
}

function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  const requested = headers['access-control-request-headers']
  response.setHeader('access-control-allow-methods', 'GET, POST').setHeader('access-control-max-age', '3600')
  if (requested !== undefined) response.setHeader('access-control-allow-headers', requested)
  response.writeHead(204).end()
}

function answer(response: ServerResponse, status: number, body: LongPollResponse): void {
  if (response.headersSent || response.destroyed) return
  const json = Buffer.from(JSON.stringify(body))
  response
    .setHeader('content-type', 'application/json; charset=utf-8')
    .setHeader('content-length', json.length)
  response.writeHead(status).end(json)
}
