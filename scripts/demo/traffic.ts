import type { Transport } from 'parley/client'
import { WebSocket } from 'ws'

/** Records what the clients of this process send and receive from now on. */
export function recordTraffic(): { records: string[]; transport: Transport } {
  const records: string[] = []
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init)
    records.push(`${input} ${init?.body}`, await response.clone().text())
    return response
  }
  class RecordedWebSocket extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols)
      this.on('message', (frame) => records.push(String(frame)))
    }

    override send(frame: string): void {
      records.push(frame)
      super.send(frame)
    }
  }
  return { records, transport: RecordedWebSocket }
}

/** Whether a record contains a text, as it is or in base64, which depends on where the text begins. */
export function contains(record: string, text: string): boolean {
  const encoded = ['', '-', '--'].map((before) => {
    const bytes = Buffer.from(before + text)
    // The first and the last character depend on what is beside the text.
    return bytes.toString('base64url').slice(Math.ceil((before.length * 4) / 3), (bytes.length * 4) / 3)
  })
  return [text, ...encoded].some((form) => record.includes(form))
}
