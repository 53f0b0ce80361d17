import { textOnly } from '../protocol/serializer.ts'
import type { Endpoint } from './endpoint.ts'
import { messageOf } from './frames.ts'
import type { Admission } from './handshake.ts'
import type { Reader } from './slow-readers.ts'
import { CloseCode, Socket, type Wire } from './socket.ts'

/** How a request of a session is answered, in the words of HTTP: 410 says that the session is over, 500 to come back. */
export interface PollAnswer {
  status: 200 | 204 | 410 | 500
  messages?: string[]
}

/** A session as its requests see it, on whichever node it lives. */
export interface Pollable {
  /** Asks for what was sent since; `answer` is called once, soon or after a while. @returns what to call if nobody waits any more. */
  poll(answer: (answer: PollAnswer) => void): () => void
  /** Takes what the client sends. */
  publish(body: Buffer, isBatch: boolean, answer: (answer: PollAnswer) => void): void
}

export interface PollSessionOptions {
  /** Bytes of one frame. */
  maxFrameBytes: number
  /** Whether the client had a session before, of which it may not know that it is over. */
  takesPlace: boolean
}

/** How long a poll waits for something to be sent. */
const WINDOW_MS = 10_000
/** Without a poll for this long, the client is gone. */
const PATIENCE_MS = 15_000

const NOTHING: PollAnswer = { status: 204 }
const GONE: PollAnswer = { status: 410 }

/** One session of long polling: a socket whose frames wait until the client asks for them. */
export class PollSession implements Pollable, Wire, Reader {
  readonly socket: Socket
  readonly #endpoint: Endpoint
  readonly #maxFrameBytes: number
  #messages: string[] = []
  waitingBytes = 0
  #waiting: { answer: (answer: PollAnswer) => void; cancel: () => void } | undefined
  #isFlushing = false
  /** How requests are answered when all is said. */
  #ending: PollAnswer | undefined
  #polledAt: number
  /** phoenix.js before 1.8 goes on with a new session as if its joins stood: whoever only polls after losing one is to connect anew. */
  #isContinued: boolean

  constructor(endpoint: Endpoint, admission: Admission, { maxFrameBytes, takesPlace }: PollSessionOptions) {
    this.#endpoint = endpoint
    this.#maxFrameBytes = maxFrameBytes
    this.#isContinued = takesPlace
    this.#polledAt = endpoint.clock.now()
    const { identity, serializer } = admission
    this.socket = new Socket(endpoint, this, { identity, serializer: textOnly(serializer) })
    endpoint.remember(this.socket)
  }

  /** Whether nobody has asked for so long that nobody will. */
  isAbandoned(now: number): boolean {
    return !this.#waiting && now - this.#polledAt >= PATIENCE_MS
  }

  poll(answer: (answer: PollAnswer) => void): () => void {
    // Only the last poll can be the one that somebody waits for.
    this.#settle(NOTHING)
    if (this.#isContinued) this.socket.close(CloseCode.serviceRestart, 'joins are lost')
    const waiting = { answer, cancel: this.#endpoint.clock.after(WINDOW_MS, () => this.#settle(NOTHING)) }
    this.#waiting = waiting
    this.#flush()
    return () => {
      if (this.#waiting === waiting) this.#stopWaiting()
    }
  }

  publish(body: Buffer, isBatch: boolean, answer: (answer: PollAnswer) => void): void {
    this.#isContinued = false
    for (const { data, isBinary } of framesOf(body, isBatch)) {
      if (this.#ending) break
      if (data.length > this.#maxFrameBytes) this.socket.close(CloseCode.messageTooBig, 'frame too large')
      this.socket.receiveFrame(data, isBinary)
    }
    answer(this.#ending ?? { status: 200 })
  }

  write(frame: Buffer): void {
    const message = messageOf(frame)
    this.#messages.push(message.toString())
    this.waitingBytes += message.length
    if (!this.#waiting) return this.#endpoint.slowReaders.judge(this)
    if (this.#isFlushing) return
    this.#isFlushing = true
    // What else is sent in this tick goes along.
    setImmediate(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  close(code: number): void {
    this.#end(code === CloseCode.goingAway ? GONE : { status: 500 })
  }

  terminate(): void {
    this.#drop()
    this.#end(GONE)
    this.socket.disconnected()
  }

  #end(ending: PollAnswer): void {
    this.#ending ??= ending
    this.#flush()
  }

  /** Answers the poll that waits, if there is something to say. */
  #flush(): void {
    if (!this.#waiting) return
    if (this.#messages.length > 0) {
      const messages = this.#messages
      this.#drop()
      this.#settle({ status: 200, messages })
    } else if (this.#ending) {
      this.#settle(this.#ending)
    }
  }

  #settle(answer: PollAnswer): void {
    const waiting = this.#waiting
    this.#stopWaiting()
    waiting?.answer(answer)
  }

  #stopWaiting(): void {
    this.#waiting?.cancel()
    this.#waiting = undefined
    this.#hear()
  }

  #hear(): void {
    this.#polledAt = this.#endpoint.clock.now()
    this.socket.heard()
  }

  #drop(): void {
    this.#messages = []
    this.waitingBytes = 0
  }
}

interface ClientFrame {
  data: Buffer
  isBinary: boolean
}

const NEWLINE = 0x0a
const RETURN = 0x0d
const ARRAY = '['.charCodeAt(0)
const OBJECT = '{'.charCodeAt(0)
/** What the bytes of a binary frame begin with: no text does. */
const BINARY_PUSH = 0

/** The frames of a body: one, or one in each line of a batch. Read as they are taken: most of a body may be of no concern. */
function* framesOf(body: Buffer, isBatch: boolean): Iterable<ClientFrame> {
  for (const part of isBatch ? linesOf(body) : [body]) if (part.length > 0) yield frameOf(part)
}

/** Text is an array or an object; the official clients send bytes in base64, those before 1.7 as they are. */
function frameOf(part: Buffer): ClientFrame {
  const first = part[0]
  if (first === ARRAY || first === OBJECT) return { data: part, isBinary: false }
  if (first === BINARY_PUSH) return { data: part, isBinary: true }
  return { data: Buffer.from(part.toString('latin1'), 'base64'), isBinary: true }
}

function* linesOf(body: Buffer): Iterable<Buffer> {
  for (let start = 0; start < body.length; start++) {
    if (body[start] === NEWLINE) continue
    const newline = body.indexOf(NEWLINE, start)
    const end = newline < 0 ? body.length : newline
    yield body.subarray(start, body[end - 1] === RETURN ? end - 1 : end)
    start = end
  }
}
