import { randomUUID } from 'node:crypto'
import { CloseCode } from '../codes.ts'
import type { Endpoint } from '../socket/endpoint.ts'
import type { ConnectResult } from '../socket/handshake.ts'
import { PollSession } from './poll-session.ts'

const SWEEP_INTERVAL_MS = 1_000

/** The long-polling sessions of this node, by their secret ids. */
export class PollSessions {
  readonly #endpoint: Endpoint
  readonly #maxFrameBytes: number
  readonly #sessions = new Map<string, PollSession>()
  readonly #stopSweeping: () => void

  constructor(endpoint: Endpoint, maxFrameBytes: number) {
    this.#endpoint = endpoint
    this.#maxFrameBytes = maxFrameBytes
    this.#stopSweeping = endpoint.clock.every(SWEEP_INTERVAL_MS, () => this.#sweep())
  }

  find(id: string): PollSession | undefined {
    return this.#sessions.get(id)
  }

  /** @param replacesSession see `PollSessionOptions`. @returns the id of the new session. */
  open(client: ConnectResult, replacesSession: boolean): string {
    const id = randomUUID()
    const options = { maxFrameBytes: this.#maxFrameBytes, replacesSession }
    this.#sessions.set(id, new PollSession(this.#endpoint, client, options))
    return id
  }

  /** Ends all sessions, which answers their polls. */
  stop(): void {
    this.#stopSweeping()
    for (const { socket } of this.#sessions.values()) socket.close(CloseCode.serviceRestart, 'restarting')
  }

  #sweep(): void {
    const now = this.#endpoint.clock.now()
    for (const [id, session] of this.#sessions) {
      if (!session.isAbandoned(now)) continue
      this.#sessions.delete(id)
      session.socket.close(CloseCode.goingAway, 'no poll')
    }
  }
}
