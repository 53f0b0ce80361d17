import type { PhoenixClient } from '../phoenix-client.ts'
import { WebSocketClient } from '../websocket-client.ts'
import type { RoomClient } from './subject.ts'

const MESSAGE = Buffer.from('"chat.message"')
const TEXT_PREFIX = Buffer.from('"text_content":"')
/** Characters by which a client recognizes its own texts. */
const ID_LENGTH = 12

/** A member on `/ws/chat/<room_id>/`. There are no replies: a text is acknowledged by its broadcast. */
export class ParleyRoomClient implements RoomClient {
  readonly #webSocket: WebSocketClient
  readonly #waiting = new Map<string, () => void>()
  #listener = () => {}

  private constructor(webSocket: WebSocketClient) {
    this.#webSocket = webSocket
    webSocket.onFrame = (payload) => this.#take(payload)
  }

  static async open(url: string, token: string): Promise<ParleyRoomClient> {
    return new ParleyRoomClient(await WebSocketClient.open(url, `Authorization: Bearer ${token}\r\n`))
  }

  onPost(listener: () => void): void {
    this.#listener = listener
  }

  post(text: string): Promise<void> {
    this.#webSocket.send(JSON.stringify({ message_type: 'message', message: text }))
    return new Promise((resolve) => this.#waiting.set(text.slice(0, ID_LENGTH), resolve))
  }

  close(): void {
    this.#webSocket.destroy()
  }

  #take(payload: Buffer): void {
    if (!payload.includes(MESSAGE)) return
    this.#listener()
    if (this.#waiting.size === 0) return
    const start = payload.indexOf(TEXT_PREFIX) + TEXT_PREFIX.length
    const id = payload.toString('latin1', start, start + ID_LENGTH)
    this.#waiting.get(id)?.()
    this.#waiting.delete(id)
  }
}

/** A member on the topic `room:<id>`. */
export class ParleyTopicClient implements RoomClient {
  readonly #client: PhoenixClient
  readonly #topic: string

  private constructor(client: PhoenixClient, topic: string) {
    this.#client = client
    this.#topic = topic
  }

  static async join(client: PhoenixClient, roomId: string): Promise<ParleyTopicClient> {
    const topic = `room:${roomId}`
    await client.join(topic, {})
    return new ParleyTopicClient(client, topic)
  }

  onPost(listener: () => void): void {
    this.#client.onEvent = (payload) => {
      if (payload.includes(MESSAGE)) listener()
    }
  }

  post(text: string): Promise<unknown> {
    return this.#client.push(this.#topic, 'message', { message: text })
  }

  close(): void {
    this.#client.webSocket.destroy()
  }
}
