import { type ClientOptions, WebSocket } from 'ws'

/** Records all traffic between the clients and the server. */
export class TrafficRecorder {
  readonly #recorded: string[] = []
  #frames = 0

  /** WebSocket frames recorded so far, in both directions. */
  get frames(): number {
    return this.#frames
  }

  /** A WebSocket for phoenix.js that records what it sends and receives. */
  transport(): new (address: string) => WebSocket {
    const record = (data: unknown) => {
      this.#frames += 1
      this.record(textOf(data))
    }
    return class RecordedWebSocket extends WebSocket {
      constructor(address: string, protocols?: string | string[], options?: ClientOptions) {
        super(address, protocols, options)
        this.on('message', record)
      }

      override send(data: string): void {
        record(data)
        super.send(data)
      }
    }
  }

  record(text: string): void {
    this.#recorded.push(text)
  }

  /** Returns the secrets that occur unencrypted in the traffic. */
  leaked(secrets: Iterable<string>): string[] {
    return [...secrets].filter((secret) => this.#recorded.some((text) => text.includes(secret)))
  }
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString('latin1')
}
