import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Whether a request asks for a WebSocket. */
export function isWebSocketUpgrade({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Since Node 24.9: decides whether a request is emitted as `upgrade`, or handled as if it had no `Upgrade`. */
interface DecidingServer extends Server {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean
}

/**
 * Answers requests that ask for another protocol as if they did not (RFC 9110, section 7.8): Java's HttpClient and curl offer `h2c`
 * with ordinary requests. Before 24.9, Node stops to read HTTP at such a request, so the connection is given back to the server, with
 * the head of the request in front.
 */
export class IgnoredUpgrades {
  readonly #server: Server
  /** The latest response on each connection. */
  readonly #responses = new WeakMap<Duplex, ServerResponse>()

  constructor(server: DecidingServer) {
    this.#server = server
    if (!server.shouldUpgradeCallback) return
    const hasOtherListeners = () => server.listenerCount('upgrade') > 1
    server.shouldUpgradeCallback = (request) => isWebSocketUpgrade(request) || hasOtherListeners()
  }

  /** Call it for every request of the server, as responses are sent in the order of the requests. */
  track({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#responses.set(socket, response)
  }

  /** Continues a connection after an `upgrade` event. */
  ignore(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const destroy = () => void stream.destroy()
    stream.on('error', destroy)
    const resume = () => {
      stream.off('error', destroy)
      if (!stream.destroyed) this.#resume(request, stream, head)
    }
    const earlier = this.#responses.get(stream)
    if (!earlier || earlier.writableFinished) resume()
    else earlier.once('close', resume)
  }

  #resume(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // Node drops headers beyond its maximum, which may be those that delimit the body.
    if (request.rawHeaders.length >= MAX_HEADERS * 2) return void stream.destroy()
    stream.unshift(Buffer.concat([headWithoutUpgrade(request), head]))
    this.#server.emit('encrypted' in stream ? 'secureConnection' : 'connection', stream)
  }
}

/** Node's maximum number of headers. */
const MAX_HEADERS = 1_000

/** The headers that concern the upgrade. `Connection` also names them. */
const UPGRADE_HEADERS = new Set(['upgrade', 'http2-settings'])

function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at]!, rawHeaders[at + 1]!]
    const lowerCased = name.toLowerCase()
    if (UPGRADE_HEADERS.has(lowerCased)) continue
    const kept = lowerCased === 'connection' ? withoutUpgrade(value) : value
    head += `${name}: ${kept}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}

function withoutUpgrade(connection: string): string {
  const options = connection.split(',').map((option) => option.trim())
  return options.filter((option) => !UPGRADE_HEADERS.has(option.toLowerCase())).join(', ')
}
