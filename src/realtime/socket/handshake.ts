import type { IncomingMessage } from 'node:http'
import { chooseSerializer, type Serializer } from '../../protocol/serializer.ts'
import type { RefusalReason } from '../codes.ts'
import type { Identity } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import type { TransportName } from './telemetry.ts'

/** What a client sends when it connects. */
export interface ConnectInfo {
  /** The parameters of the URL: `params` of the client's `Socket`. */
  params: URLSearchParams
  request: IncomingMessage
}

/** Returns the identity that a token proves; undefined refuses the connection. */
export type Authenticate = (
  token: string | undefined,
  info: ConnectInfo,
) => Identity | undefined | Promise<Identity | undefined>

/** Who may connect; common to all transports. */
export interface HandshakeOptions {
  endpoint: Endpoint
  /** Where the endpoint is mounted. The WebSocket is at `<path>/websocket`. */
  path: string
  /** Maximum size of an incoming frame. */
  maxFrameBytes: number
  allowedOrigins: '*' | readonly string[]
  authenticate: Authenticate
  /** The client's network address; undefined for an address that many clients may share. */
  addressOf?: ((request: IncomingMessage) => string | undefined) | undefined
}

export interface HandshakeRefusal {
  reason: RefusalReason
  /** Absent without a valid token. */
  identity?: Identity
}

/** An accepted client, and the protocol version that it requested. */
export interface ConnectResult {
  identity: Identity
  serializer: Serializer
  /** The client's network address; undefined for an address that many clients may share. */
  address?: string | undefined
  transport: TransportName
  /** When the handshake began, by `performance.now()`. */
  startedAt: number
}

/** The `Retry-After` of a connection that exceeds a limit, in seconds. */
export const RETRY_AFTER_S = 30

/** The only subprotocol. Clients need not offer one. */
export const PROTOCOL = 'phoenix'

/** phoenix.js sends its `authToken` as a subprotocol of a WebSocket, and as a header of other requests. */
const TOKEN_PROTOCOL_PREFIX = 'base64url.bearer.phx.'
const TOKEN_HEADER = 'x-phoenix-authtoken'

interface ConnectOptions {
  transport: TransportName
  /** The parameters of the user. Default: those of the URL. */
  params?: URLSearchParams
}

/**
 * Accepts or refuses a client: immediately, unless `authenticate` returns a promise. Of a repeated parameter the last one counts.
 */
export function connect(
  options: HandshakeOptions,
  request: IncomingMessage,
  { transport, params = paramsOf(request.url) }: ConnectOptions,
): ConnectResult | HandshakeRefusal | Promise<ConnectResult | HandshakeRefusal> {
  const handshake: Handshake = { options, request, transport, params, startedAt: performance.now() }
  const result = check(handshake)
  return result instanceof Promise
    ? result.then((settled) => reported(handshake, settled))
    : reported(handshake, result)
}

/** A client that connects. */
interface Handshake {
  options: HandshakeOptions
  request: IncomingMessage
  transport: TransportName
  params: URLSearchParams
  startedAt: number
}

function reported(
  { options: { endpoint }, request, transport }: Handshake,
  result: ConnectResult | HandshakeRefusal,
): ConnectResult | HandshakeRefusal {
  if ('reason' in result && endpoint.telemetry.refuse) {
    endpoint.report('refuse', { ...result, identity: result.identity, transport, request })
  }
  return result
}

function check(
  handshake: Handshake,
): ConnectResult | HandshakeRefusal | Promise<ConnectResult | HandshakeRefusal> {
  const { options, request, params } = handshake
  const { endpoint, allowedOrigins, authenticate } = options
  if (endpoint.isDraining) return { reason: 'draining' }
  if (!isAllowedOrigin(request, allowedOrigins)) return { reason: 'origin' }
  const protocols = offeredProtocols(request)
  if (!acceptsProtocols(protocols)) return { reason: 'subprotocol' }
  const serializer = chooseSerializer(params.getAll('vsn').at(-1))
  if (!serializer) return { reason: 'version' }
  const token = tokenOf(request, protocols) ?? params.getAll('token').at(-1)
  const accept = (identity: Identity | undefined) => checkLimits(handshake, serializer, identity)
  const fail = (error: unknown): HandshakeRefusal => {
    endpoint.logError(error, 'A client could not be authenticated')
    return { reason: 'error' }
  }
  try {
    const identity = authenticate(token, { params, request })
    return identity instanceof Promise ? identity.then(accept).catch(fail) : accept(identity)
  } catch (error) {
    return fail(error)
  }
}

function checkLimits(
  { options: { endpoint, addressOf }, request, transport, startedAt }: Handshake,
  serializer: Serializer,
  identity: Identity | undefined,
): ConnectResult | HandshakeRefusal {
  if (!identity) return { reason: 'token' }
  // Authentication may have taken a while.
  if (endpoint.isDraining) return { reason: 'draining' }
  const address = addressOf?.(request)
  const reason = endpoint.exceededLimit({ identity, address })
  return reason ? { reason, identity } : { identity, serializer, address, transport, startedAt }
}

/** Whether a URL has this path. A trailing slash is ignored, and duplicate slashes count as one. */
export function isAt(path: string, url?: string): boolean {
  return pathOf(url) === path
}

/** The path of a URL, without a trailing slash and duplicate slashes. */
export function pathOf(url = ''): string {
  return url
    .replace(/\?.*/, '')
    .replace(/\/{2,}/g, '/')
    .replace(/\/$/, '')
}

/** Whether the `Origin` is allowed. Clients other than browsers send none; their token decides. */
export function isAllowedOrigin(
  { headers }: Pick<IncomingMessage, 'headers'>,
  allowed: '*' | readonly string[],
): boolean {
  const { origin } = headers
  return allowed === '*' || origin === undefined || allowed.includes(origin)
}

/** The query parameters of a URL. */
export function paramsOf(url = ''): URLSearchParams {
  const start = url.indexOf('?')
  return new URLSearchParams(start < 0 ? '' : url.slice(start))
}

function offeredProtocols({ headers }: IncomingMessage): string[] {
  return headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
}

function acceptsProtocols(offered: readonly string[]): boolean {
  const names = offered.filter((name) => !name.startsWith(TOKEN_PROTOCOL_PREFIX))
  return names.length === 0 || names.includes(PROTOCOL)
}

/** The token as phoenix.js sends it since 1.8: outside of the URL, which servers log. */
function tokenOf({ headers }: IncomingMessage, protocols: readonly string[]): string | undefined {
  const header = headers[TOKEN_HEADER]
  if (typeof header === 'string') return header
  const encoded = protocols.find((name) => name.startsWith(TOKEN_PROTOCOL_PREFIX))
  return encoded && Buffer.from(encoded.slice(TOKEN_PROTOCOL_PREFIX.length), 'base64url').toString()
}
