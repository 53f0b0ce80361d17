import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { setImmediate as tick } from 'node:timers/promises'
import type { Json } from './phoenix.ts'

interface PollClientOptions {
  vsn?: string
  params?: Record<string, string>
  headers?: Record<string, string>
}

/** A client of long polling that does just what it is told: one request at a time. */
export class PollClient {
  /** Names the session; changes as the server says. */
  token: string | undefined
  readonly #url: string
  readonly #options: PollClientOptions

  constructor(url: string, options: PollClientOptions = {}) {
    this.#url = `${url.replace(/^ws/, 'http')}/longpoll`
    this.#options = options
  }

  /** Opens a session, as the first request of a client does. */
  async open(): Promise<this> {
    const { status, token } = await this.poll()
    if (status !== 410) throw new Error(`a session was refused with ${status}`)
    this.token = token
    return this
  }

  poll(signal?: AbortSignal): Promise<Json> {
    return this.request('GET', {}, signal)
  }

  /** Begins a poll; resolves when it waits at the server. `left` resolves when the server has seen that nobody waits any more. */
  async startPoll(server: Server, signal?: AbortSignal) {
    const reached = once(server, 'request') as Promise<[unknown, ServerResponse]>
    const answer = this.poll(signal)
    const [, response] = await reached
    const left = once(response, 'close').then(() => tick())
    await tick()
    return { answer, frames: () => answer.then(framesOf), left }
  }

  /** Polls until something came; gives the frames. */
  async frames(): Promise<Json[]> {
    return framesOf(await this.poll())
  }

  /** Sends one message. */
  send(message: unknown): Promise<Json> {
    return this.request('POST', { body: JSON.stringify(message), type: 'application/json' })
  }

  /** Sends lines as they are. */
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
      headers: { ...(type && { 'content-type': type }), ...headers },
      ...(body !== undefined && { body }),
      ...(signal && { signal }),
    })
  }
}

function framesOf({ status, messages }: Json): Json[] {
  if (status !== 200) throw new Error(`a poll was answered with ${status}`)
  return messages.map((message: string) => JSON.parse(message))
}
