import type { IncomingHttpHeaders } from 'node:http'
import { chooseSerializer, type Serializer } from '../protocol/serializer.ts'
import type { Endpoint } from './endpoint.ts'
import type { Identity } from './socket.ts'

/** What every transport needs to know about who may connect. */
export interface TransportOptions {
  endpoint: Endpoint
  /** Where the endpoint is mounted; the WebSocket is at `<path>/websocket`. */
  path: string
  /** Bytes of one incoming frame. */
  maxFrameBytes: number
  allowedOrigins: '*' | string[]
  /** Says whose token this is; undefined refuses the connection. Must not wait: a handshake is answered at once. */
  authenticate(token: string | undefined): Identity | undefined
}

/** A client that may connect, and the version of the protocol it speaks. */
export interface Admission {
  identity: Identity
  serializer: Serializer
}

/** The request a connection begins with. */
export interface Knock {
  url?: string | undefined
  headers: IncomingHttpHeaders
}

/** How phoenix.js names what carries its `authToken`: a subprotocol, or a header where there are none. */
const TOKEN_PROTOCOL_PREFIX = 'base64url.bearer.phx.'
const TOKEN_HEADER = 'x-phoenix-authtoken'

/** Lets a client in, or says with which status it is refused. */
export function admit(
  { endpoint, allowedOrigins, authenticate }: TransportOptions,
  { url = '', headers }: Knock,
): Admission | 403 | 503 {
  if (endpoint.isDraining) return 503
  if (!isAllowedOrigin({ headers }, allowedOrigins)) return 403
  const query = new URLSearchParams(queryOf(url))
  const serializer = chooseSerializer(query.get('vsn') ?? undefined)
  const identity = serializer && authenticate(tokenOf(headers) ?? query.get('token') ?? undefined)
  return identity ? { identity, serializer } : 403
}

/** Only browsers send an origin; the token decides who others are. */
export function isAllowedOrigin({ headers }: Pick<Knock, 'headers'>, allowed: '*' | string[]): boolean {
  const { origin } = headers
  return allowed === '*' || origin === undefined || allowed.includes(origin)
}

/** What follows the question mark of a request's address. */
export function queryOf(url = ''): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}

/** The token of phoenix.js 1.8 and newer, which is in no log of addresses. */
function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers[TOKEN_HEADER]
  if (typeof header === 'string') return header
  const protocols = headers['sec-websocket-protocol']?.split(',') ?? []
  const encoded = protocols.map((name) => name.trim()).find((name) => name.startsWith(TOKEN_PROTOCOL_PREFIX))
  return encoded && Buffer.from(encoded.slice(TOKEN_PROTOCOL_PREFIX.length), 'base64url').toString()
}
