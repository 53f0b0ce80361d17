import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '../../support/phoenix.ts'
import type { Node } from '../harness/node.ts'
import type { Random } from './random.ts'

const REQUEST_TIMEOUT_MS = 5_000
const RETRY_DELAY_MS = 200

export interface Answer {
  status: number
  body: Json
  /** The number of attempts. An earlier one may still be executed later. */
  tries: number
}

interface Call {
  token?: string
  body?: object
}

/** An HTTP client that sends each request to a random node, and retries. */
export class Api {
  readonly #nodes: readonly Node[]
  readonly #random: Random

  constructor(nodes: readonly Node[], random: Random) {
    this.#nodes = nodes
    this.#random = random
  }

  /** Retries until the response is neither 429 nor 503. The request must be idempotent. */
  async call(method: string, path: string, options: Call = {}): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#try(method, path, options)
      if (answer && answer.status !== 503 && answer.status !== 429) return { ...answer, tries }
      await sleep(RETRY_DELAY_MS)
    }
  }

  async #try(
    method: string,
    path: string,
    { token, body }: Call,
  ): Promise<Omit<Answer, 'tries'> | undefined> {
    try {
      const response = await fetch(this.#random.pick(this.#nodes).url + path, {
        method,
        headers: {
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          ...(token && { authorization: `Bearer ${token}` }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      const text = await response.text()
      return { status: response.status, body: text ? JSON.parse(text) : undefined }
    } catch {
      return undefined
    }
  }
}
