import { randomUUID } from 'node:crypto'
import type { Endpoint } from './endpoint.ts'
import type { Admission } from './handshake.ts'
import { PollSession } from './poll-session.ts'
import { CloseCode } from './socket.ts'

const SWEEP_MS = 1_000

/** The sessions of long polling on this node, by what only their clients know. */
export class PollSessions {
  readonly #endpoint: Endpoint
  readonly #maxFrameBytes: number
  readonly #sessions = new Map<string, PollSession>()
  readonly #stopSweeping: () => void

  constructor(endpoint: Endpoint, maxFrameBytes: number) {
    this.#endpoint = endpoint
    this.#maxFrameBytes = maxFrameBytes
    this.#stopSweeping = endpoint.clock.every(SWEEP_MS, () => this.#sweep())
  }

  find(id: string): PollSession | undefined {
    return this.#sessions.get(id)
  }

  /** @returns the id of a new session. */
  open(admission: Admission, takesPlace: boolean): string {
    const id = randomUUID()
    this.#sessions.set(
      id,
      new PollSession(this.#endpoint, admission, { maxFrameBytes: this.#maxFrameBytes, takesPlace }),
    )
    return id
  }

  /** Ends all of them, so that no poll waits any more. */
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
