import { randomUUID } from 'node:crypto'

/** A message somebody sent, and what became of it as far as they were told. */
export interface Sent {
  id: string
  conversation: string
  sender: string
  /** When and over which node it was first answered. */
  acked?: { at: number; via: string; group: string; seq: number }
  /** The latest version of its text that was asked for, and the latest that was answered; the first is 0. */
  version: number
  ackedVersion: number
  /** Some edit got no answer, so that it may happen at any time. */
  isDoubtful: boolean
  deletion?: 'asked' | 'acked'
}

/** A message somebody said in a room. */
export interface Said {
  id: string
  room: string
  sender: string
  /** When it was first asked for. */
  askedAt: number
  acked?: { at: number; via: string }
}

/** A time in which somebody was surely out of a room: from when that was answered, until they were asked back. */
export interface Absence {
  room: string
  userId: string
  from: number
  until: number
}

/** The text of one copy: what is in it tells whose it is. */
export interface Copy {
  id: string
  version: number
  to: string
}

/** What was asked of the site, and what it promised. */
export class Ledger {
  readonly sent: Sent[] = []
  readonly said: Said[] = []
  readonly absences: Absence[] = []
  /** What is still waiting for an answer. */
  readonly #open = new Set<string>()
  readonly #unsure = new Set<string>()

  send(conversation: string, sender: string): Sent {
    const sent = { id: randomUUID(), conversation, sender, version: 0, ackedVersion: 0, isDoubtful: false }
    this.sent.push(sent)
    return sent
  }

  say(room: string, sender: string, askedAt: number): Said {
    const said = { id: randomUUID(), room, sender, askedAt }
    this.said.push(said)
    return said
  }

  /** Somebody may be brought into a room at any time. */
  isUnsure(room: string, userId: string): void {
    this.#unsure.add(`${userId} in ${room}`)
  }

  /** Somebody is out of a room from now on. */
  left(room: string, userId: string, from: number): void {
    if (this.#unsure.has(`${userId} in ${room}`)) return
    this.absences.push({ room, userId, from, until: Number.POSITIVE_INFINITY })
  }

  /** Somebody may be back from now on. */
  mayBeBack(room: string, userId: string, until: number): void {
    const absence = this.absences.findLast((one) => one.room === room && one.userId === userId)
    if (absence) absence.until = Math.min(absence.until, until)
  }

  /** What is still waiting for an answer. */
  get waiting(): string[] {
    return [...this.#open]
  }

  /** Keeps in mind that something waits for an answer. */
  async awaiting(what: string, work: Promise<void>): Promise<void> {
    this.#open.add(what)
    try {
      await work
    } finally {
      this.#open.delete(what)
    }
  }
}

/** A copy as it is sent. */
export function writeCopy(copy: Copy): string {
  return JSON.stringify(copy)
}

export function readCopy(content: string): Copy {
  return JSON.parse(content)
}
