import { WebSocketClient } from './websocket-client.ts'

interface Waiting {
  resolve: (response: unknown) => void
  reject: (error: Error) => void
}

/** A Phoenix client (protocol version 2) with less overhead than the official one. */
export class PhoenixClient {
  /** Called with each frame that is not a reply, unparsed. */
  onEvent: (payload: Buffer) => void = () => {}
  readonly webSocket: WebSocketClient
  readonly #waiting = new Map<string, Waiting>()
  readonly #joinRefs = new Map<string, string>()
  #ref = 0

  private constructor(webSocket: WebSocketClient) {
    this.webSocket = webSocket
    webSocket.onFrame = (payload) => this.#take(payload)
    void webSocket.closed.then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error('The connection was closed.'))
    })
  }

  static async open(url: string): Promise<PhoenixClient> {
    return new PhoenixClient(await WebSocketClient.open(url))
  }

  join(topic: string, payload: object): Promise<unknown> {
    return this.push(topic, 'phx_join', payload)
  }

  /** Resolves with the response of an `ok` reply, and rejects on an `error` reply. */
  push(topic: string, event: string, payload: object): Promise<unknown> {
    const ref = String(++this.#ref)
    if (event === 'phx_join') this.#joinRefs.set(topic, ref)
    this.webSocket.send(JSON.stringify([this.#joinRefs.get(topic) ?? null, ref, topic, event, payload]))
    return new Promise((resolve, reject) => this.#waiting.set(ref, { resolve, reject }))
  }

  #take(payload: Buffer): void {
    // Broadcasts begin with two nulls, so they are detected without parsing.
    if (payload[1] === NULL && payload[6] === NULL) return this.onEvent(payload)
    const [, ref, topic, event, body] = JSON.parse(payload.toString())
    if (event !== 'phx_reply') return this.onEvent(payload)
    const waiting = this.#waiting.get(ref)
    this.#waiting.delete(ref)
    if (body.status === 'ok') waiting?.resolve(body.response)
    else waiting?.reject(new Error(`${topic} answered ${JSON.stringify(body.response)}`))
  }
}

const NULL = 'n'.charCodeAt(0)
