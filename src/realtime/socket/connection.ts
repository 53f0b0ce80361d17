/** The user that a connection was authenticated for. Channels see the object that `authenticate` returned. */
export interface Identity {
  /** Limits count per user, so clients that share no account must not share an id. */
  readonly userId: string
  /** The session that authenticated the connection. */
  readonly sessionId?: string
  /** Until when the session is known to last, in milliseconds of the endpoint's clock. Absent: without end. */
  expiresAt?: number
}

/** Who opens a connection, and from where. */
export interface ConnectionOwner {
  readonly identity: Identity
  /** The client's network address; undefined for an address that many clients may share. */
  readonly address?: string | undefined
}

/** A connection of any protocol, as the endpoint supervises it. */
export interface Connection extends ConnectionOwner {
  /** When the client last sent something, in milliseconds of the endpoint's clock. */
  readonly lastActiveAt: number
  /** Whether every request of the client is answered. */
  readonly isIdle: boolean
  /** Ignores further frames. Requests under way are still answered. */
  stopReading(): void
  /** Closes the connection with a close code of `CloseCode`. */
  close(code: number, reason: string): void
}

/** Carries the frames of one connection. */
export interface Transport {
  /** Writes a complete WebSocket frame, unless the connection is closing. */
  write(frame: Buffer): void
  close(code: number, reason: string): void
}
