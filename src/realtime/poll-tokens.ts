import { createHmac, timingSafeEqual } from 'node:crypto'

/** Which session of long polling, on which node. */
export interface PollAddress {
  nodeId: string
  id: string
}

/** The tokens by which clients name their sessions of long polling: signed, so that nobody makes up one of another. */
export class PollTokens {
  readonly #key: Buffer

  /** @param key the same on all nodes. */
  constructor(key: Buffer) {
    this.#key = key
  }

  write({ nodeId, id }: PollAddress): string {
    const address = `${nodeId}.${id}`
    return `${address}.${this.#sign(address).toString('base64url')}`
  }

  /** The session a token names; undefined for what is no such token. */
  read(token: string): PollAddress | undefined {
    const [nodeId, id, signature, ...more] = token.split('.')
    if (!nodeId || !id || !signature || more.length > 0) return undefined
    const given = Buffer.from(signature, 'base64url')
    const right = this.#sign(`${nodeId}.${id}`)
    return given.length === right.length && timingSafeEqual(given, right) ? { nodeId, id } : undefined
  }

  #sign(address: string): Buffer {
    return createHmac('sha256', this.#key).update(address).digest()
  }
}
