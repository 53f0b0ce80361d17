import type { Clock } from '../../clock.ts'
import { ErrorReason } from '../codes.ts'
import { TokenBuckets } from './token-buckets.ts'

/** How many messages a user may send, over all of their connections. */
export interface MessageLimits {
  eventsPerSecond: number
  eventBurst: number
  joinBurst: number
}

/** The response to a message that exceeds a limit. */
export interface RateLimited {
  reason: typeof ErrorReason.rateLimited
  retry_after_ms: number
}

/** Longer frames also count towards the byte limit. */
const MAX_UNCOUNTED_FRAME_BYTES = 16_384
const BYTES = { burst: 16_777_216, perSecond: 2_097_152 }
/** A busy long-polling session polls every few milliseconds at most. */
const POLLS = { burst: 300, perSecond: 20 }
/** A poll that comes too early is answered later, up to this much; a poll that comes even earlier is rejected. */
const MAX_POLL_DELAY_MS = 10_000
/** phoenix.js sends one heartbeat per connection in 30 s. */
const HEARTBEATS = { burst: 300, perSecond: 10 }
/** An event costs one more token for each this many recipients. */
const RECIPIENTS_PER_TOKEN = 100

/** Rate limits per user for everything that clients send over sockets. */
export class UserLimits {
  readonly #buckets: ReturnType<typeof makeBuckets> | undefined

  /** @param limits null disables all limits. */
  constructor(limits: MessageLimits | null, clock: Clock) {
    this.#buckets = limits ? makeBuckets(limits, clock) : undefined
  }

  /** Counts a message. Joins have a bucket of their own, with the leaves that are counted. @returns the response if it exceeds the limit. */
  takeMessage(userId: string, event: string): RateLimited | undefined {
    const isJoinOrLeave = event === 'phx_join' || event === 'phx_leave'
    const bucket = isJoinOrLeave ? this.#buckets?.joins : this.#buckets?.events
    return rateLimited(bucket?.take(userId))
  }

  /** Counts a heartbeat, which costs no event. @returns the response if it exceeds the limit. */
  takeHeartbeat(userId: string): RateLimited | undefined {
    return rateLimited(this.#buckets?.heartbeats.take(userId))
  }

  /** Counts the bytes of a frame before it is parsed. @returns the response if they exceed the limit. */
  takeBytes(userId: string, bytes: number): RateLimited | undefined {
    if (bytes <= MAX_UNCOUNTED_FRAME_BYTES) return undefined
    return rateLimited(this.#buckets?.bytes.take(userId, bytes))
  }

  /** Counts a poll. @returns by how many milliseconds to delay the answer; undefined if the poll must be rejected. */
  delayPoll(userId: string): number | undefined {
    return this.#buckets ? this.#buckets.polls.reserve(userId, MAX_POLL_DELAY_MS) : 0
  }

  /**
   * Charges a user for the recipients of an event, beyond its first token. The charge may exceed what the bucket holds: later
   * events then wait until it is paid off.
   */
  charge(userId: string, recipients: number): void {
    this.#buckets?.events.charge(userId, Math.floor(recipients / RECIPIENTS_PER_TOKEN))
  }

  /** Removes the buckets that are full. Call it about once a second. */
  sweep(): void {
    for (const bucket of Object.values(this.#buckets ?? {})) bucket.sweep()
  }
}

function makeBuckets({ eventBurst, joinBurst, eventsPerSecond }: MessageLimits, clock: Clock) {
  return {
    events: new TokenBuckets(eventBurst, eventsPerSecond, clock),
    joins: new TokenBuckets(joinBurst, eventsPerSecond, clock),
    bytes: new TokenBuckets(BYTES.burst, BYTES.perSecond, clock),
    heartbeats: new TokenBuckets(HEARTBEATS.burst, HEARTBEATS.perSecond, clock),
    polls: new TokenBuckets(POLLS.burst, POLLS.perSecond, clock),
  }
}

function rateLimited(retryAfterMs = 0): RateLimited | undefined {
  return retryAfterMs > 0 ? { reason: ErrorReason.rateLimited, retry_after_ms: retryAfterMs } : undefined
}
