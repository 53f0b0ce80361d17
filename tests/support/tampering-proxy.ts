import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

/** A frame of the Phoenix channel protocol, version 2: join_ref, ref, topic, event, payload. */
export type Frame = [string | null, string | null, string, string, unknown]

/** The response to a request for a part of a file. */
export interface FilePart {
  bytes: Buffer
  contentRange: string
}

/** How a malicious server changes what its clients send and receive. What is absent stays as it is. */
export interface Tampering {
  /** Whether a request is answered with an internal error. */
  fails?: (path: string) => boolean
  /** Changes the JSON body of a response. */
  response?: (path: string, body: unknown) => unknown
  /** Changes the bytes of a part of a file, and the range that it is said to be. */
  file?: (path: string, part: FilePart) => FilePart
  /** Replaces a frame to a client, by none, one or several. */
  toClient?: (frame: Frame) => Frame[]
  /** Replaces a frame to the server. */
  toServer?: (frame: Frame) => Frame[] | Promise<Frame[]>
}

/** The codes with which Parley closes a socket, and that an endpoint may send (RFC 6455, section 7.4). */
const CLOSE_CODES = new Set([1000, 1001, 1003, 1008, 1009, 1012])

/** A malicious server: a real one, behind a proxy that changes what passes through it. */
export class TamperingProxy {
  /** May be replaced at any time. */
  tampering: Tampering = {}
  readonly url: string
  readonly #clients: Set<WebSocket>

  private constructor(url: string, clients: Set<WebSocket>) {
    this.url = url
    this.#clients = clients
  }

  /** Starts a proxy in front of the server at `target`. It stops when the test ends. */
  static async start(target: string): Promise<TamperingProxy> {
    const http = createServer()
    const clients = new Set<WebSocket>()
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo // it listens on a port
    const proxy = new TamperingProxy(`http://127.0.0.1:${port}`, clients)
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'phoenix' })
    http.on('request', (request, response) => {
      proxy.#relayRequest(target, request, response).catch(() => response.destroy())
    })
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      sockets.handleUpgrade(request, socket, head, (client) => proxy.#relaySocket(target, request, client))
    })
    onTestFinished(() => {
      for (const client of clients) client.terminate()
      http.closeAllConnections()
      http.close()
    })
    return proxy
  }

  /** Sends a frame to all clients that are connected. */
  inject(frame: Frame): void {
    for (const client of this.#clients) client.send(JSON.stringify(frame))
  }

  /** Breaks all connections, so that the clients connect again. */
  disconnectAll(): void {
    for (const client of this.#clients) client.terminate()
  }

  async #relayRequest(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    if (this.tampering.fails?.(path)) {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { code: 'internal_error', message: 'It fails.' } }))
      return
    }
    const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
    const answer = await fetch(target + path, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>, // no header of these requests is repeated
      ...(hasBody && { body: Buffer.concat(chunks) }),
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const {
      'content-encoding': _encoding,
      'content-length': _size,
      ...rest
    } = Object.fromEntries(answer.headers)
    const contentRange = answer.headers.get('content-range')
    if (contentRange !== null && this.tampering.file) {
      const part = this.tampering.file(path, { bytes, contentRange })
      response.writeHead(answer.status, { ...rest, 'content-range': part.contentRange })
      response.end(part.bytes)
      return
    }
    response.writeHead(answer.status, rest)
    response.end(this.#changedBody(path, answer.headers.get('content-type'), bytes))
  }

  #changedBody(path: string, type: string | null, bytes: Buffer): Buffer {
    if (!this.tampering.response || !type?.includes('json') || bytes.length === 0) return bytes
    return Buffer.from(JSON.stringify(this.tampering.response(path, JSON.parse(bytes.toString()))))
  }

  #relaySocket(target: string, request: IncomingMessage, client: WebSocket): void {
    this.#clients.add(client)
    const offered = request.headers['sec-websocket-protocol']?.split(/\s*,\s*/) ?? []
    const server = new WebSocket(target.replace(/^http/, 'ws') + request.url, offered)
    const early: string[] = []
    server.on('open', () => {
      for (const text of early.splice(0)) server.send(text)
    })
    server.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame
      for (const changed of this.tampering.toClient?.(frame) ?? [frame]) client.send(JSON.stringify(changed))
    })
    const forward = async (frame: Frame) => {
      for (const changed of (await this.tampering.toServer?.(frame)) ?? [frame]) {
        const text = JSON.stringify(changed)
        if (server.readyState === WebSocket.OPEN) server.send(text)
        else early.push(text)
      }
    }
    let order = Promise.resolve()
    client.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame
      order = order.then(() => forward(frame)).catch(() => client.terminate())
    })
    client.on('close', () => {
      this.#clients.delete(client)
      server.terminate()
    })
    server.on('close', (code) => (CLOSE_CODES.has(code) ? client.close(code) : client.terminate()))
    server.on('error', () => client.terminate())
  }
}
