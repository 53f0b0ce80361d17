import { randomUUID } from 'node:crypto'

/** A sent message, and the replies that its sender received. */
export interface SentMessage {
  id: string
  conversation: string
  sender: string
  /** The first reply: its time, node and content. */
  acked?: { at: number; via: string; group: string; seq: number }
  /** The latest requested and the latest acknowledged version of its text. The first is 0. */
  version: number
  ackedVersion: number
  /** Whether an edit got no reply, so that it may be executed at any time. */
  hasUnansweredEdit: boolean
  deletion?: 'requested' | 'acked'
}

/** A message sent to a room. */
export interface SentRoomMessage {
  id: string
  room: string
  sender: string
  /** The time of the first attempt. */
  sentAt: number
  acked?: { at: number; via: string }
}

/** A period in which a user was certainly not a member of a room: from the reply to the removal until the request to add them. */
export interface Absence {
  room: string
  userId: string
  from: number
  until: number
}

/** The content of a message copy. It identifies the message, its version and its recipient. */
export interface Copy {
  id: string
  version: number
  to: string
}

/** All requests of a run, and their replies. */
export class OperationLog {
  readonly sent: SentMessage[] = []
  readonly roomMessages: SentRoomMessage[] = []
  readonly absences: Absence[] = []
  /** Descriptions of the requests without a reply. */
  readonly #unanswered = new Set<string>()
  /** Users who may become members of a room at any time, by a request without a reply. */
  readonly #pendingAdditions = new Set<string>()

  send(conversation: string, sender: string): SentMessage {
    const sent = {
      id: randomUUID(),
      conversation,
      sender,
      version: 0,
      ackedVersion: 0,
      hasUnansweredEdit: false,
    }
    this.sent.push(sent)
    return sent
  }

  sendToRoom(room: string, sender: string, sentAt: number): SentRoomMessage {
    const message = { id: randomUUID(), room, sender, sentAt }
    this.roomMessages.push(message)
    return message
  }

  /** A request to add a user got no reply: they may become a member at any time. */
  additionPending(room: string, userId: string): void {
    this.#pendingAdditions.add(`${userId} in ${room}`)
  }

  /** A user is no longer a member of a room from now on. */
  left(room: string, userId: string, from: number): void {
    if (this.#pendingAdditions.has(`${userId} in ${room}`)) return
    this.absences.push({ room, userId, from, until: Number.POSITIVE_INFINITY })
  }

  /** A user may be a member again from now on. */
  additionRequested(room: string, userId: string, until: number): void {
    const absence = this.absences.findLast((one) => one.room === room && one.userId === userId)
    if (absence) absence.until = Math.min(absence.until, until)
  }

  /** Descriptions of the requests without a reply. */
  get unanswered(): string[] {
    return [...this.#unanswered]
  }

  /** Counts a request as unanswered until its promise settles. */
  async track(what: string, work: Promise<void>): Promise<void> {
    this.#unanswered.add(what)
    try {
      await work
    } finally {
      this.#unanswered.delete(what)
    }
  }
}

/** Encodes the content of a copy. */
export function writeCopy(copy: Copy): string {
  return JSON.stringify(copy)
}

/** Decodes the content of a copy. */
export function readCopy(content: string): Copy {
  return JSON.parse(content)
}
