import { type ClientOptions, WebSocket } from 'ws'

/** Listens to everything that passes between people and the server: what the server, or a spy, gets to see. */
export class Wire {
  readonly #passed: string[] = []
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
    this.#passed.push(text)
  }

  /** The secrets among these that were seen in clear. */
  leaked(secrets: Iterable<string>): string[] {
    return [...secrets].filter((secret) => this.#passed.some((text) => text.includes(secret)))
  }
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString('latin1')
}
