import type { IncomingMessage } from 'node:http'
import { chooseSerializer, type Serializer } from '../../protocol/serializer.ts'
import type { Identity } from './connection.ts'
import type { ExceededLimit } from './connection-limits.ts'
import type { Endpoint } from './endpoint.ts'

/** Who may connect; common to all transports. */
export interface HandshakeOptions {
  endpoint: Endpoint
  /** Where the endpoint is mounted. The WebSocket is at `<path>/websocket`. */
  path: string
  /** Maximum size of an incoming frame. */
  maxFrameBytes: number
  allowedOrigins: '*' | string[]
  /** Returns the identity that a token proves; undefined refuses the connection. Synchronous, as a handshake is answered immediately. */
  authenticate(token: string | undefined): Identity | undefined
  /** The client's network address; undefined for an address that many clients may share. */
  addressOf?(request: HandshakeRequest): string | undefined
  /** Called for every refused client. */
  onRefused?(refusal: HandshakeRefusal, request: HandshakeRequest): void
}

/** Why a client may not connect. */
export type RefusalReason = 'draining' | 'origin' | 'version' | 'token' | ExceededLimit

export interface HandshakeRefusal {
  status: 403 | 429 | 503
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
}

/** The HTTP request that opens a connection. */
export type HandshakeRequest = Pick<IncomingMessage, 'url' | 'headers' | 'socket'>

/** The `Retry-After` of a connection that exceeds a limit, in seconds. */
export const RETRY_AFTER_S = 30

/** phoenix.js sends its `authToken` as a subprotocol of a WebSocket, and as a header of other requests. */
const TOKEN_PROTOCOL_PREFIX = 'base64url.bearer.phx.'
const TOKEN_HEADER = 'x-phoenix-authtoken'

/** Accepts or refuses a client. */
export function connect(
  options: HandshakeOptions,
  request: HandshakeRequest,
): ConnectResult | HandshakeRefusal {
  const result = checkHandshake(options, request)
  if ('reason' in result) options.onRefused?.(result, request)
  return result
}

function checkHandshake(
  { endpoint, allowedOrigins, authenticate, addressOf }: HandshakeOptions,
  request: HandshakeRequest,
): ConnectResult | HandshakeRefusal {
  const { url, headers } = request
  if (endpoint.isDraining) return { status: 503, reason: 'draining' }
  if (!isAllowedOrigin(request, allowedOrigins)) return { status: 403, reason: 'origin' }
  const query = new URLSearchParams(queryOf(url))
  const serializer = chooseSerializer(query.get('vsn') ?? undefined)
  if (!serializer) return { status: 403, reason: 'version' }
  const identity = authenticate(tokenOf(headers) ?? query.get('token') ?? undefined)
  if (!identity) return { status: 403, reason: 'token' }
  const address = addressOf?.(request)
  const reason = endpoint.exceededLimit({ identity, address })
  if (reason) return { status: statusOf(reason), reason, identity }
  return { identity, serializer, address }
}

/** 503 for a limit of the whole node, 429 for one that the client can stay below. */
export function statusOf(reason: ExceededLimit): 429 | 503 {
  return reason === 'connections' ? 503 : 429
}

/** Whether the `Origin` is allowed. Clients other than browsers send none; their token decides. */
export function isAllowedOrigin(
  { headers }: Pick<HandshakeRequest, 'headers'>,
  allowed: '*' | string[],
): boolean {
  const { origin } = headers
  return allowed === '*' || origin === undefined || allowed.includes(origin)
}

/** The query string of a request's URL, without the question mark. */
export function queryOf(url = ''): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}

/** The token as phoenix.js sends it since 1.8: outside of the URL, which servers log. */
function tokenOf(headers: HandshakeRequest['headers']): string | undefined {
  const header = headers[TOKEN_HEADER]
  if (typeof header === 'string') return header
  const protocols = headers['sec-websocket-protocol']?.split(',') ?? []
  const encoded = protocols.map((name) => name.trim()).find((name) => name.startsWith(TOKEN_PROTOCOL_PREFIX))
  return encoded && Buffer.from(encoded.slice(TOKEN_PROTOCOL_PREFIX.length), 'base64url').toString()
}
