/** A reference chosen by the client. Replies repeat it; the server does not interpret it. An integer that a number cannot hold is a bigint. */
export type Ref = string | number | bigint | null

/** Replaces a payload that would take too long to parse. */
export const UNPARSED = Symbol('unparsed')

/** A message from a client. The payload of a binary push is bytes. */
export interface ClientMessage {
  joinRef: Ref
  ref: Ref
  topic: string
  event: string
  /** `UNPARSED` if it was too heavy. */
  payload: unknown
}

/** The reply to a client message: `phx_reply`. */
export interface Reply {
  joinRef: Ref
  ref: Ref
  topic: string
  status: 'ok' | 'error'
  response: unknown
}

/** An event for one joined channel. Only `phx_close` and `phx_error` have a `ref`. */
export interface Push {
  joinRef: Ref
  ref: Ref
  topic: string
  event: string
  payload: unknown
}

/** An event for all subscribers of a topic. */
export interface Broadcast {
  topic: string
  event: string
  payload: unknown
}

/** A payload that is already encoded as JSON, so that it can be shared by many messages. */
export class EncodedJson {
  constructor(readonly text: string) {}
}

/** A frame that violates the protocol. The connection must be closed. */
export class MalformedFrame extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'MalformedFrame'
  }
}
