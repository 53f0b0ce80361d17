import { Wire } from './wire.ts'

/** A Socket.IO 4 client (Engine.IO 4 over WebSocket) over the same wire, so that both servers meet the same load. */
export class SocketIoWire {
  /** Called with each event, unparsed: `42["name",…]`. */
  onEvent: (payload: Buffer) => void = () => {}
  readonly wire: Wire
  readonly #waiting = new Map<string, (response: unknown) => void>()
  #ack = 0
  #connected: () => void = () => {}

  private constructor(wire: Wire) {
    this.wire = wire
    wire.onFrame = (payload) => this.#take(payload)
  }

  static async open(url: string, auth: object): Promise<SocketIoWire> {
    const client = new SocketIoWire(await Wire.open(`${url}/socket.io/?EIO=4&transport=websocket`))
    const connected = new Promise<void>((resolve) => {
      client.#connected = resolve
    })
    client.wire.send(`40${JSON.stringify(auth)}`)
    await connected
    return client
  }

  /** Emits an event and resolves with what it is acknowledged with. */
  emit(event: string, ...data: unknown[]): Promise<unknown> {
    const id = String(this.#ack++)
    this.wire.send(`42${id}${JSON.stringify([event, ...data])}`)
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  #take(payload: Buffer): void {
    const type = payload.toString('latin1', 0, 2)
    if (type === '42') return this.onEvent(payload)
    const text = payload.toString()
    if (text === '2') return this.wire.send('3')
    if (type === '40') return this.#connected()
    if (type !== '43') return
    const start = text.indexOf('[')
    const id = text.slice(2, start)
    this.#waiting.get(id)?.(JSON.parse(text.slice(start))[0])
    this.#waiting.delete(id)
  }
}
