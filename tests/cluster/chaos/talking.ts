import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from './journal.ts'
import { type Ledger, type Sent, writeCopy } from './ledger.ts'
import type { Answered, Person } from './person.ts'
import { reasonOf } from './person.ts'
import { noteRefusal } from './refusals.ts'
import { repeated } from './repeated.ts'
import type { Retry } from './schedule.ts'

const PAUSE_MS = 300
/** One edits and deletes what one sent lately. */
const LATEST = 12

/** What people do in conversations. Each resolves when it is answered. */
export class Talking {
  readonly #ledger: Ledger
  readonly #journal: Journal

  constructor({ ledger, journal }: { ledger: Ledger; journal: Journal }) {
    this.#ledger = ledger
    this.#journal = journal
  }

  /** Sends a message, as often as `retry` says. */
  async send(person: Person, conversation: string, retry: Retry): Promise<void> {
    const sent = this.#ledger.send(conversation, person.id)
    const sending = repeated(sent, retry, () => this.#sendOnce(person, sent))
    await this.#ledger.awaiting(`sending ${sent.id}`, sending)
  }

  /** One of the latest messages of somebody in a conversation. */
  choose(person: Person, conversation: string, choice: number): Sent | undefined {
    const own = this.#ledger.sent.filter(
      (sent) =>
        sent.sender === person.id && sent.conversation === conversation && sent.acked && !sent.deletion,
    )
    const latest = own.slice(-LATEST)
    return latest[choice % latest.length]
  }

  async edit(person: Person, sent: Sent): Promise<void> {
    const version = ++sent.version
    const answer = await this.#askOfMembers(person, sent, {
      event: 'edit_message',
      payload: { message_group_id: sent.acked?.group },
      version,
      tried: () => {
        sent.isDoubtful = true
      },
    })
    if (answer?.status !== 'ok') return
    this.#journal.count('edits acked')
    sent.ackedVersion = version
  }

  async delete(person: Person, sent: Sent): Promise<void> {
    sent.deletion = 'asked'
    const payload = { message_group_id: sent.acked?.group }
    const answer = await person.ask(`conversation:${sent.conversation}`, 'delete_message', () => payload)
    if (answer?.status !== 'ok')
      return void (
        answer && noteRefusal(this.#journal, 'a deletion', answer, ['no_message', 'no_conversation'])
      )
    this.#journal.count('deletions acked')
    sent.deletion = 'acked'
  }

  /** Somebody leaves a group, or is brought back by its owner. */
  async comeOrGo(person: Person, owner: Person, id: string): Promise<void> {
    const topic = `conversation:${id}`
    if (person.devices.some((device) => device.isIn(topic))) {
      const answer = await person.ask(topic, 'leave_conversation', () => ({}))
      if (answer?.status === 'ok') this.#journal.count('people left')
      else if (answer) noteRefusal(this.#journal, 'leaving', answer, ['no_conversation'])
    } else {
      const answer = await owner.ask(topic, 'modify_conversation', () => ({ new_members: [person.id] }))
      if (answer?.status === 'ok') this.#journal.count('people came back')
      else if (answer) noteRefusal(this.#journal, 'bringing somebody back', answer, [])
    }
  }

  /** Says something that nobody has to hear. */
  async mention(person: Person, conversation: string, event: string): Promise<void> {
    const topic = `conversation:${conversation}`
    const device = person.devices.find((one) => one.isIn(topic))
    const answer = await device?.push(topic, event, {})
    if (answer?.status === 'error')
      noteRefusal(this.#journal, event, answer, [
        'no_conversation',
        'busy',
        'rate_limited',
        'unmatched topic',
      ])
  }

  async #sendOnce(person: Person, sent: Sent): Promise<void> {
    const isLate = sent.acked !== undefined
    const answer = await this.#askOfMembers(person, sent, {
      event: 'send_message',
      payload: { client_message_id: sent.id },
      version: isLate ? -1 : 0,
    })
    if (answer?.status !== 'ok') return
    this.#journal.count(sent.acked ? 'messages acked again' : 'messages acked')
    const { message_group: group, seq } = answer.response
    if (sent.acked && (sent.acked.group !== group || sent.acked.seq !== seq)) {
      this.#journal.violation(
        `message ${sent.id} was sent twice: as ${sent.acked.group} over ${sent.acked.via} and as ${group} over ${answer.via}`,
      )
    }
    sent.acked ??= { at: this.#journal.now(), via: answer.via, group, seq }
  }

  /** Asks with a copy for each member, again when the members have just changed. */
  async #askOfMembers(
    person: Person,
    sent: Sent,
    {
      event,
      payload,
      version,
      tried,
    }: { event: string; payload: object; version: number; tried?: () => void },
  ): Promise<Answered | undefined> {
    for (;;) {
      const answer = await person.ask(
        `conversation:${sent.conversation}`,
        event,
        (device) => ({
          ...payload,
          encrypted_messages: Object.fromEntries(
            [...(device.conversations.get(sent.conversation)?.members ?? [])].map((to) => [
              to,
              writeCopy({ id: sent.id, version, to }),
            ]),
          ),
        }),
        tried,
      )
      if (!answer || answer.status === 'ok') return answer
      if (!/^(not_enough|too_many)_recipients$/.test(reasonOf(answer))) {
        noteRefusal(this.#journal, event, answer, ['no_conversation', 'no_message'])
        return answer
      }
      this.#journal.count('sends with outdated members')
      await sleep(PAUSE_MS)
    }
  }
}
