import { createHmac, timingSafeEqual } from 'node:crypto'

/** Identifies a long-polling session and its node. */
export interface PollAddress {
  nodeId: string
  id: string
}

const FORMAT = /^[\w-]+\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[\w-]{43}$/

/** Whether a text has the format of a session token, of this or another deployment. */
export function isPollToken(text: string): boolean {
  return FORMAT.test(text)
}

/** The signed tokens by which clients refer to their long-polling sessions. */
export class PollTokens {
  readonly #key: Buffer

  /** @param key must be the same on all nodes. */
  constructor(key: Buffer) {
    this.#key = key
  }

  write({ nodeId, id }: PollAddress): string {
    const address = `${nodeId}.${id}`
    return `${address}.${this.#sign(address).toString('base64url')}`
  }

  /** The session of a token; undefined for an invalid token. */
  read(token: string): PollAddress | undefined {
    const [nodeId, id, signature, ...rest] = token.split('.')
    if (!nodeId || !id || !signature || rest.length > 0) return undefined
    const actual = Buffer.from(signature, 'base64url')
    const expected = this.#sign(`${nodeId}.${id}`)
    return actual.length === expected.length && timingSafeEqual(actual, expected) ? { nodeId, id } : undefined
  }

  #sign(address: string): Buffer {
    return createHmac('sha256', this.#key).update(address).digest()
  }
}
