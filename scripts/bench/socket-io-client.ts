import { WebSocketClient } from './websocket-client.ts'

/** A Socket.IO 4 client (Engine.IO 4) over the same WebSocket client, so that both servers receive the same load. */
export class SocketIoClient {
  /** Called with each event, unparsed: `42["name",…]`. */
  onEvent: (payload: Buffer) => void = () => {}
  readonly webSocket: WebSocketClient
  readonly #waiting = new Map<string, (response: unknown) => void>()
  #ack = 0
  #connected: () => void = () => {}

  private constructor(webSocket: WebSocketClient) {
    this.webSocket = webSocket
    webSocket.onFrame = (payload) => this.#take(payload)
  }

  static async open(url: string, auth: object): Promise<SocketIoClient> {
    const client = new SocketIoClient(
      await WebSocketClient.open(`${url}/socket.io/?EIO=4&transport=websocket`),
    )
    const connected = new Promise<void>((resolve) => {
      client.#connected = resolve
    })
    client.webSocket.send(`40${JSON.stringify(auth)}`)
    await connected
    return client
  }

  /** Emits an event and resolves with its acknowledgement. */
  emit(event: string, ...data: unknown[]): Promise<unknown> {
    const id = String(this.#ack++)
    this.webSocket.send(`42${id}${JSON.stringify([event, ...data])}`)
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  #take(payload: Buffer): void {
    const type = payload.toString('latin1', 0, 2)
    if (type === '42') return this.onEvent(payload)
    const text = payload.toString()
    if (text === '2') return this.webSocket.send('3')
    if (type === '40') return this.#connected()
    if (type !== '43') return
    const start = text.indexOf('[')
    const id = text.slice(2, start)
    this.#waiting.get(id)?.(JSON.parse(text.slice(start))[0])
    this.#waiting.delete(id)
  }
}
