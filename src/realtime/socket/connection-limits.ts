import type { ConnectionOwner } from './connection.ts'

/** How many connections one node accepts. An absent limit does not apply. */
export interface ConnectionLimits {
  maxConnections: number
  maxConnectionsPerUser: number
  /** Applies only to network addresses that belong to one client. */
  maxConnectionsPerAddress: number
}

/** The limit that a new connection would exceed. */
export type ExceededLimit = 'connections' | 'user_connections' | 'address_connections'

/** Counts the connections of one node. */
export class ConnectionCounter {
  readonly #limits: Partial<ConnectionLimits> | null
  readonly #users = new Map<string, number>()
  readonly #addresses = new Map<string, number>()
  #total = 0

  /** @param limits null for no limits. */
  constructor(limits: Partial<ConnectionLimits> | null) {
    this.#limits = limits
  }

  /** The limit that one more connection would exceed; undefined if it is allowed. */
  exceededLimit({ identity, address }: ConnectionOwner): ExceededLimit | undefined {
    const limits = this.#limits
    if (!limits) return undefined
    const { maxConnectionsPerUser, maxConnectionsPerAddress, maxConnections } = limits
    const isReached = (count = 0, limit = Number.POSITIVE_INFINITY) => count >= limit
    if (isReached(this.#users.get(identity.userId), maxConnectionsPerUser)) return 'user_connections'
    if (address !== undefined && isReached(this.#addresses.get(address), maxConnectionsPerAddress)) {
      return 'address_connections'
    }
    return isReached(this.#total, maxConnections) ? 'connections' : undefined
  }

  add(owner: ConnectionOwner): void {
    this.#change(owner, 1)
  }

  remove(owner: ConnectionOwner): void {
    this.#change(owner, -1)
  }

  #change({ identity, address }: ConnectionOwner, difference: 1 | -1): void {
    this.#total += difference
    changeCount(this.#users, identity.userId, difference)
    if (address !== undefined) changeCount(this.#addresses, address, difference)
  }
}

function changeCount(counts: Map<string, number>, key: string, difference: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + difference
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
