import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '../../support/phoenix.ts'
import type { Node } from '../rig/node.ts'
import type { Random } from './random.ts'

const TRY_MS = 5_000
const PAUSE_MS = 200

export interface Answer {
  status: number
  body: Json
  /** How many times it was asked: an earlier one may still be done later. */
  tries: number
}

interface Call {
  token?: string
  body?: object
}

/** Calls the site over HTTP, through any node, until it gets an answer that means something. */
export class Api {
  readonly #nodes: readonly Node[]
  readonly #random: Random

  constructor(nodes: readonly Node[], random: Random) {
    this.#nodes = nodes
    this.#random = random
  }

  /** Tries until the site answers; what it changes must bear being done twice. */
  async call(method: string, path: string, options: Call = {}): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#try(method, path, options)
      if (answer && answer.status !== 503 && answer.status !== 429) return { ...answer, tries }
      await sleep(PAUSE_MS)
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
        signal: AbortSignal.timeout(TRY_MS),
      })
      const text = await response.text()
      return { status: response.status, body: text ? JSON.parse(text) : undefined }
    } catch {
      return undefined
    }
  }
}
