import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation } from '../db/failures.ts'
import {
  CLIENT_MESSAGE_INDEX,
  type Draft,
  findSent,
  type Outcome,
  type Placed,
  type Repeated,
  sendBatch,
} from '../db/queries/send-batch.ts'
import { AppError } from '../errors.ts'
import type { Backlog } from './backlog.ts'
import type { EventBus } from './events.ts'
import { busy, persist } from './persist.ts'

/** What one statement stores at most: it should take milliseconds, since all of a batch waits for it. */
const BATCH_SENDS = 128
const BATCH_COPIES = 2_000
const BATCH_SIZE = 1_048_576

/** How often the members may change under a send before its sender is told to come back. */
const MOST_TRIES = 100

/** A message that was sent: its id, its place, and when (milliseconds since the epoch). */
export interface Sent {
  groupId: string
  seq: number
  insertedAt: number
}

/** A message on its way into the database. */
export interface Send {
  draft: Draft
  /** The length of its contents. */
  size: number
  /** The time after which it is not tried again. */
  until: number
  tries: number
  resolve: (sent: Sent) => void
  reject: (error: unknown) => void
}

/** Any other change of a conversation, which keeps its place among the sends. `run` never rejects. */
export interface Change {
  conversationId: string
  run: () => Promise<void>
}

/** What a lane does its work with. */
export interface LaneTools {
  db: Database
  clock: Clock
  events: EventBus
  backlog: Backlog
}

/**
 * Stores changes one statement at a time, in the order they came within a conversation. While a statement is in flight
 * the sends that arrive gather, and go together in the next.
 */
export class Lane {
  readonly #tools: LaneTools
  #jobs: (Send | Change)[] = []
  #working = false

  constructor(tools: LaneTools) {
    this.#tools = tools
  }

  add(job: Send | Change): void {
    this.#jobs.push(job)
    if (!this.#working) void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    while (this.#jobs[0]) {
      // What has reached the sockets by now goes along: the embedded database leaves no other moment to read them.
      await setImmediate()
      if (isChange(this.#jobs[0])) {
        const change = this.#jobs.shift() as Change
        await change.run()
      } else {
        await this.#store(this.#takeBatch())
      }
    }
    this.#working = false
  }

  /** Takes the oldest sends, except those whose conversation has an older change waiting. */
  #takeBatch(): Send[] {
    const batch: Send[] = []
    const left: (Send | Change)[] = []
    const blocked = new Set<string>()
    let [copies, size, index] = [0, 0, 0]
    for (; index < this.#jobs.length && batch.length < BATCH_SENDS; index++) {
      const job = this.#jobs[index] as Send | Change
      if (isChange(job)) {
        blocked.add(job.conversationId)
        left.push(job)
      } else if (blocked.has(job.draft.conversationId)) {
        left.push(job)
      } else {
        copies += job.draft.copies.length
        size += job.size
        if (batch.length && (copies > BATCH_COPIES || size > BATCH_SIZE)) break
        batch.push(job)
      }
    }
    this.#jobs = left.concat(this.#jobs.slice(index))
    return batch
  }

  /** Stores a batch, and again what is left of it, until each send has its answer. */
  async #store(batch: Send[], afterLoss = false): Promise<void> {
    const { db, clock } = this.#tools
    const until = batch.at(-1)?.until ?? 0
    let waiting = batch
    let lost = afterLoss
    while (waiting.length) {
      try {
        const tryOnce = async (unsure: boolean) => {
          lost = unsure
          if (unsure) waiting = this.#answer(waiting, await findSent(db, waiting.map(draftOf)))
          return waiting.length ? sendBatch(db, waiting.map(draftOf)) : []
        }
        const outcomes = await persist(tryOnce, { clock, until, unsure: lost })
        waiting = this.#answer(waiting, outcomes)
      } catch (error) {
        // Another process was faster with one of these: the next statement sees it.
        if (isUniqueViolation(error, CLIENT_MESSAGE_INDEX) && clock.now() < until) continue
        return this.#storeApart(waiting, error, lost)
      }
    }
  }

  /** One row that the database refuses must not fail its neighbours: the halves are tried by themselves, in order. */
  async #storeApart(sends: Send[], error: unknown, lost: boolean): Promise<void> {
    if (sends.length === 1 || error instanceof AppError) {
      for (const send of sends) this.#reject(send, error)
      return
    }
    const middle = Math.ceil(sends.length / 2)
    await this.#store(sends.slice(0, middle), lost)
    await this.#store(sends.slice(middle), lost)
  }

  /** Tells everybody what is stored, then its sender. Returns the sends that have to be tried again, in order. */
  #answer(sends: Send[], outcomes: readonly Outcome[]): Send[] {
    const stale: Send[] = []
    for (const [index, send] of sends.entries()) {
      const outcome = outcomes[index] as Outcome
      if (outcome.verdict === 'ok') this.#announce(send, outcome)
      else if (outcome.verdict === 'repeated') this.#repeat(send, outcome)
      else if (outcome.verdict !== 'stale') this.#reject(send, new AppError(outcome.verdict))
      else if (++send.tries === MOST_TRIES) this.#reject(send, busy())
      else stale.push(send)
    }
    return stale
  }

  /** What is found by its name may be this very send, from a try that was given up for lost: nobody was told of it yet. */
  #repeat(send: Send, earlier: Repeated): void {
    if (earlier.groupId === send.draft.groupId) this.#announce(send, earlier)
    else this.#resolve(send, earlier)
  }

  #announce(send: Send, { seq, insertedAt }: Omit<Placed, 'verdict'>): void {
    const { conversationId, groupId, senderId, copies } = send.draft
    this.#tools.events.emit('message_sent', {
      conversationId,
      groupId,
      senderId,
      seq,
      insertedAt,
      updatedAt: insertedAt,
      copies,
    })
    this.#resolve(send, { groupId, seq, insertedAt })
  }

  #resolve(send: Send, { groupId, seq, insertedAt }: Sent): void {
    this.#tools.backlog.release(send.size)
    send.resolve({ groupId, seq, insertedAt })
  }

  #reject(send: Send, error: unknown): void {
    this.#tools.backlog.release(send.size)
    send.reject(error)
  }
}

function isChange(job: Send | Change): job is Change {
  return 'run' in job
}

function draftOf(send: Send): Draft {
  return send.draft
}
