import { setImmediate } from 'node:timers/promises'
import { textOnly } from '../../protocol/serializer.ts'
import { messageOf } from '../../protocol/websocket-frame.ts'
import { CloseCode, PollStatus } from '../codes.ts'
import type { Transport } from '../socket/connection.ts'
import type { Endpoint } from '../socket/endpoint.ts'
import type { ConnectResult } from '../socket/handshake.ts'
import type { Consumer } from '../socket/slow-consumers.ts'
import { Socket } from '../socket/socket.ts'
import { framesOf, type PostedFrame } from './poll-body.ts'

/** The answer to a request. 410 means that the session has ended, 500 that the client should connect again later. */
export interface PollAnswer {
  status: (typeof PollStatus)['ok' | 'noContent' | 'gone' | 'unavailable']
  messages?: string[]
}

/** A session on this node or another one. */
export interface Pollable {
  /** Waits for messages. `answer` is called once. @returns a function to call when the client no longer waits. */
  poll(answer: (answer: PollAnswer) => void): () => void
  /** Receives what the client posted. */
  publish(body: Buffer, isBatch: boolean, answer: (answer: PollAnswer) => void): void
}

export interface PollSessionOptions {
  /** Maximum size of one frame. */
  maxFrameBytes: number
  /** Whether the client opened the session because an earlier one had ended. */
  replacesSession: boolean
}

/** How long a poll waits for messages. */
const POLL_TIMEOUT_MS = 10_000
/** A session without polls for this long is abandoned. */
const SESSION_TIMEOUT_MS = 15_000
/** Bytes of frames that are handled per iteration of the event loop, so that a long batch does not delay other clients. */
const BYTES_PER_ITERATION = 8_192

const NO_MESSAGES: PollAnswer = { status: PollStatus.noContent }
const SESSION_ENDED: PollAnswer = { status: PollStatus.gone }

/** A long-polling session: a transport that keeps frames until the client polls for them. */
export class PollSession implements Pollable, Transport, Consumer {
  readonly socket: Socket
  readonly #endpoint: Endpoint
  readonly #maxFrameBytes: number
  #messages: string[] = []
  bufferedBytes = 0
  #pendingPoll: { answer: (answer: PollAnswer) => void; cancelTimeout: () => void } | undefined
  #isFlushScheduled = false
  /** The answer to all requests after the session has ended. */
  #endAnswer: PollAnswer | undefined
  #polledAt: number
  /**
   * phoenix.js before 1.8 uses a new session as if the joins of the old one were still valid. A session that replaces another
   * therefore ends at its first poll, unless the client has sent something: the client then reconnects and joins again.
   */
  #mustReconnect: boolean
  /** Messages are not sent before this time, which limits the rate of polls. */
  #delayedUntil = 0
  /** Resolves when all earlier posts are handled. */
  #publishing = Promise.resolve()

  constructor(
    endpoint: Endpoint,
    client: ConnectResult,
    { maxFrameBytes, replacesSession }: PollSessionOptions,
  ) {
    this.#endpoint = endpoint
    this.#maxFrameBytes = maxFrameBytes
    this.#mustReconnect = replacesSession
    this.#polledAt = endpoint.clock.now()
    this.socket = new Socket(endpoint, this, { ...client, serializer: textOnly(client.serializer) })
    endpoint.addConnection(this.socket)
  }

  /** Whether the client has stopped polling. */
  isAbandoned(now: number): boolean {
    return !this.#pendingPoll && now - this.#polledAt >= SESSION_TIMEOUT_MS
  }

  poll(answer: (answer: PollAnswer) => void): () => void {
    const { clock, limits } = this.#endpoint
    const delay = limits.delayPoll(this.socket.identity.userId)
    if (delay === undefined) {
      answer({ status: PollStatus.unavailable })
      return () => {}
    }
    this.#delayedUntil = clock.now() + delay
    if (delay > 0) clock.after(delay, () => this.#flush())
    // A client waits for its latest poll only.
    this.#settle(NO_MESSAGES)
    if (this.#mustReconnect) this.socket.close(CloseCode.serviceRestart, 'joins are lost')
    const poll = { answer, cancelTimeout: clock.after(POLL_TIMEOUT_MS, () => this.#settle(NO_MESSAGES)) }
    this.#pendingPoll = poll
    this.#flush()
    return () => {
      if (this.#pendingPoll === poll) this.#clearPoll()
    }
  }

  publish(body: Buffer, isBatch: boolean, answer: (answer: PollAnswer) => void): void {
    this.#mustReconnect = false
    this.#publishing = this.#publishing.then(async () => {
      await this.#receive(framesOf(body, isBatch))
      answer(this.#endAnswer ?? { status: PollStatus.ok })
    })
  }

  write(frame: Buffer): void {
    const message = messageOf(frame)
    this.#messages.push(message.toString())
    this.bufferedBytes += message.length
    if (!this.#pendingPoll) return this.#endpoint.slowConsumers.check(this)
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    // The answer contains all frames of this tick.
    void setImmediate().then(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  close(code: number): void {
    this.#end(code === CloseCode.goingAway ? SESSION_ENDED : { status: PollStatus.unavailable })
  }

  terminate(): void {
    this.#clearMessages()
    this.#end(SESSION_ENDED)
    this.socket.onDisconnect()
  }

  async #receive(frames: Iterable<PostedFrame>): Promise<void> {
    let bytes = 0
    for (const { data, isBinary } of frames) {
      if (this.#endAnswer) return
      if (data.length > this.#maxFrameBytes) this.socket.close(CloseCode.messageTooBig, 'frame too large')
      this.socket.receiveFrame(data, isBinary)
      bytes += data.length
      if (bytes < BYTES_PER_ITERATION) continue
      bytes = 0
      await setImmediate()
    }
  }

  #end(answer: PollAnswer): void {
    this.#endAnswer ??= answer
    this.#flush()
  }

  /** Answers the pending poll if there are messages, or the session has ended. */
  #flush(): void {
    if (!this.#pendingPoll) return
    const isDelayed = !this.#endAnswer && this.#endpoint.clock.now() < this.#delayedUntil
    if (isDelayed) return
    if (this.#messages.length > 0) {
      const messages = this.#messages
      this.#clearMessages()
      this.#settle({ status: PollStatus.ok, messages })
    } else if (this.#endAnswer) {
      this.#settle(this.#endAnswer)
    }
  }

  #settle(answer: PollAnswer): void {
    const poll = this.#pendingPoll
    this.#clearPoll()
    poll?.answer(answer)
  }

  #clearPoll(): void {
    this.#pendingPoll?.cancelTimeout()
    this.#pendingPoll = undefined
    this.#polledAt = this.#endpoint.clock.now()
    this.socket.markActive()
  }

  #clearMessages(): void {
    this.#messages = []
    this.bufferedBytes = 0
  }
}
