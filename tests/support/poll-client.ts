import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { setImmediate as tick } from 'node:timers/promises'
import type { Json } from './phoenix.ts'

interface PollClientOptions {
  vsn?: string
  params?: Record<string, string>
  headers?: Record<string, string>
}

/** A long-polling client that sends one request per call. */
export class PollClient {
  /** The session token. The server may replace it. */
  token: string | undefined
  readonly #url: string
  readonly #options: PollClientOptions

  constructor(url: string, options: PollClientOptions = {}) {
    this.#url = `${url.replace(/^ws/, 'http')}/longpoll`
    this.#options = options
  }

  /** Opens a session with the first request of a client. */
  async open(): Promise<this> {
    const { status, token } = await this.poll()
    if (status !== 410) throw new Error(`a session was refused with ${status}`)
    this.token = token
    return this
  }

  poll(signal?: AbortSignal): Promise<Json> {
    return this.request('GET', {}, signal)
  }

  /** Starts a poll. Resolves when the server waits for messages. `left` resolves when the server has noticed the cancellation. */
  async startPoll(server: Server, signal?: AbortSignal) {
    const reached = once(server, 'request') as Promise<[unknown, ServerResponse]>
    const answer = this.poll(signal)
    const [, response] = await reached
    const left = once(response, 'close').then(() => tick())
    await tick()
    return { answer, frames: () => answer.then(framesOf), left }
  }

  /** Polls until messages arrive. @returns the frames. */
  async frames(): Promise<Json[]> {
    return framesOf(await this.poll())
  }

  /** Posts one message. */
  send(message: unknown): Promise<Json> {
    return this.request('POST', { body: JSON.stringify(message), type: 'application/json' })
  }

  /** Posts lines unchanged. */
  sendBatch(...lines: string[]): Promise<Json> {
    return this.request('POST', { body: lines.join('\n'), type: 'application/x-ndjson' })
  }

  async request(
    method: string,
    { body, type }: { body?: string | Uint8Array; type?: string } = {},
    signal?: AbortSignal,
  ): Promise<Json> {
    const response = await this.fetch(method, { body, type }, signal)
    return response.json()
  }

  fetch(
    method: string,
    { body, type }: { body?: string | Uint8Array | undefined; type?: string | undefined } = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const { vsn = '2.0.0', params = {}, headers } = this.#options
    const query = new URLSearchParams({ ...params, vsn })
    if (this.token !== undefined) query.append('token', this.token)
    return fetch(`${this.#url}?${query}`, {
      method,
      headers: { ...(type !== undefined && { 'content-type': type }), ...headers },
      ...(body !== undefined && { body }),
      ...(signal && { signal }),
    })
  }
}

function framesOf({ status, messages }: Json): Json[] {
  if (status !== 200) throw new Error(`a poll was answered with ${status}`)
  return messages.map((message: string) => JSON.parse(message))
}
