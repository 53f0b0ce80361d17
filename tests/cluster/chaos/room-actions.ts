import type { Api } from './api.ts'
import type { Journal } from './journal.ts'
import type { OperationLog, SentRoomMessage } from './operation-log.ts'
import type { Person } from './person.ts'
import { recordRejection } from './rejections.ts'
import { withRetry } from './retries.ts'
import type { Retry } from './schedule.ts'

/** The actions in rooms. Each resolves when the server has answered. */
export class RoomActions {
  readonly #api: Api
  readonly #operations: OperationLog
  readonly #journal: Journal

  constructor({ api, operations, journal }: { api: Api; operations: OperationLog; journal: Journal }) {
    this.#api = api
    this.#operations = operations
    this.#journal = journal
  }

  /** Sends a message to a room, and sends it again as `retry` says. */
  async send(person: Person, room: string, retry: Retry): Promise<void> {
    const sent = this.#operations.sendToRoom(room, person.id, this.#journal.now())
    const sending = withRetry(sent, retry, () => this.#sendOnce(person, sent))
    await this.#operations.track(`sending ${sent.id}`, sending)
  }

  /** Leaves a room, or is added again by its owner. */
  async leaveOrRejoin(person: Person, owner: Person, id: string): Promise<void> {
    const path = `/api/v1/chat/rooms/${id}/users/`
    if (person.devices.some((device) => device.rooms.has(id))) {
      const { status } = await this.#api.call('DELETE', `${path}${person.id}/`, { token: person.token })
      if (status !== 204) return
      this.#operations.left(id, person.id, this.#journal.now())
      this.#journal.count('room members left')
    } else {
      this.#operations.additionRequested(id, person.id, this.#journal.now())
      const body = { user_ids: [person.id] }
      const { status, tries } = await this.#api.call('POST', path, { token: owner.token, body })
      if (tries > 1) this.#operations.additionPending(id, person.id)
      if (status !== 200) return
      this.#journal.count('room members added again')
      for (const device of person.devices) device.joinRoom(id)
    }
  }

  async #sendOnce(person: Person, sent: SentRoomMessage): Promise<void> {
    const answer = await person.request(`room:${sent.room}`, 'message', () => ({
      message: sent.id,
      client_message_id: sent.id,
    }))
    if (answer?.status === 'ok') {
      this.#journal.count(sent.acked ? 'room retries acked' : 'room messages acked')
      sent.acked ??= { at: this.#journal.now(), via: answer.via }
    } else if (answer)
      recordRejection(this.#journal, `a message to room ${sent.room}`, answer, [
        'not_member',
        'unmatched topic',
      ])
  }
}
