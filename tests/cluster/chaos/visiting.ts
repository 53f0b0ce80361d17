import type { Api } from './api.ts'
import type { Journal } from './journal.ts'
import type { Ledger, Said } from './ledger.ts'
import type { Person } from './person.ts'
import { noteRefusal } from './refusals.ts'
import { repeated } from './repeated.ts'
import type { Retry } from './schedule.ts'

/** What people do in rooms. Each resolves when it is answered. */
export class Visiting {
  readonly #api: Api
  readonly #ledger: Ledger
  readonly #journal: Journal

  constructor({ api, ledger, journal }: { api: Api; ledger: Ledger; journal: Journal }) {
    this.#api = api
    this.#ledger = ledger
    this.#journal = journal
  }

  /** Says something in a room, as often as `retry` says. */
  async say(person: Person, room: string, retry: Retry): Promise<void> {
    const said = this.#ledger.say(room, person.id, this.#journal.now())
    const saying = repeated(said, retry, () => this.#sayOnce(person, said))
    await this.#ledger.awaiting(`saying ${said.id}`, saying)
  }

  /** Somebody leaves a room, or is brought back by its owner. */
  async enterOrExit(person: Person, owner: Person, id: string): Promise<void> {
    const path = `/api/v1/chat/rooms/${id}/users/`
    if (person.devices.some((device) => device.rooms.has(id))) {
      const { status } = await this.#api.call('DELETE', `${path}${person.id}/`, { token: person.token })
      if (status !== 204) return
      this.#ledger.left(id, person.id, this.#journal.now())
      this.#journal.count('people left rooms')
    } else {
      this.#ledger.mayBeBack(id, person.id, this.#journal.now())
      const body = { user_ids: [person.id] }
      const { status, tries } = await this.#api.call('POST', path, { token: owner.token, body })
      if (tries > 1) this.#ledger.isUnsure(id, person.id)
      if (status !== 200) return
      this.#journal.count('people came into rooms')
      for (const device of person.devices) device.enterRoom(id)
    }
  }

  async #sayOnce(person: Person, said: Said): Promise<void> {
    const answer = await person.ask(`room:${said.room}`, 'message', () => ({
      message: said.id,
      client_message_id: said.id,
    }))
    if (answer?.status === 'ok') {
      this.#journal.count(said.acked ? 'room messages acked again' : 'room messages acked')
      said.acked ??= { at: this.#journal.now(), via: answer.via }
    } else if (answer)
      noteRefusal(this.#journal, `saying something in room ${said.room}`, answer, [
        'not_member',
        'unmatched topic',
      ])
  }
}
