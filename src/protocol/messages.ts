/** A reference a client gave: echoed in answers, never interpreted. */
export type Ref = string | number | null

/** One frame from a client. A binary push carries its payload as bytes. */
export interface ClientMessage {
  joinRef: Ref
  ref: Ref
  topic: string
  event: string
  payload: unknown
}

/** The answer to one client message: `phx_reply`. */
export interface Reply {
  joinRef: Ref
  ref: Ref
  topic: string
  status: 'ok' | 'error'
  response: unknown
}

/** An event for one joined channel; `ref` is set for `phx_close` and `phx_error` alone. */
export interface Push {
  joinRef: Ref
  ref: Ref
  topic: string
  event: string
  payload: unknown
}

/** An event for everyone in a topic. */
export interface Broadcast {
  topic: string
  event: string
  payload: unknown
}

/** A payload that is JSON already, for what many are sent. */
export class EncodedJson {
  constructor(readonly text: string) {}
}

/** A frame no client of the protocol would send: the connection cannot be understood any more. */
export class MalformedFrame extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'MalformedFrame'
  }
}
