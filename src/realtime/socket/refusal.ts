/** What a refusal means beyond its response. */
export interface RefusalOptions {
  /** Whether the reply to a join is followed by `phx_close`, so that the client does not retry. */
  permanent?: boolean | undefined
  /** The reason that telemetry reports, if the user lacked a permission. */
  denied?: string | undefined
  cause?: unknown
}

/** An expected refusal of a join or an event: an error reply with this response. */
export class Refusal extends Error {
  readonly response: unknown
  readonly permanent: boolean
  readonly denied: string | undefined

  constructor(response: unknown, { permanent = false, denied, cause }: RefusalOptions = {}) {
    super('refused', { cause })
    this.name = 'Refusal'
    this.response = response
    this.permanent = permanent
    this.denied = denied
  }
}
