import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from './journal.ts'
import { type OperationLog, type SentMessage, writeCopy } from './operation-log.ts'
import type { Person, PersonReply } from './person.ts'
import { reasonOf } from './person.ts'
import { recordRejection } from './rejections.ts'
import { withRetry } from './retries.ts'
import type { Retry } from './schedule.ts'

const RETRY_DELAY_MS = 300
/** Edits and deletions choose among this many of a user's latest messages. */
const EDITABLE_MESSAGES = 12

/** The actions in conversations. Each resolves when the server has answered. */
export class ConversationActions {
  readonly #operations: OperationLog
  readonly #journal: Journal

  constructor({ operations, journal }: { operations: OperationLog; journal: Journal }) {
    this.#operations = operations
    this.#journal = journal
  }

  /** Sends a message, and sends it again as `retry` says. */
  async send(person: Person, conversation: string, retry: Retry): Promise<void> {
    const sent = this.#operations.send(conversation, person.id)
    const sending = withRetry(sent, retry, () => this.#sendOnce(person, sent))
    await this.#operations.track(`sending ${sent.id}`, sending)
  }

  /** Chooses one of the latest messages of a user in a conversation. */
  choose(person: Person, conversation: string, choice: number): SentMessage | undefined {
    const own = this.#operations.sent.filter(
      (sent) =>
        sent.sender === person.id && sent.conversation === conversation && sent.acked && !sent.deletion,
    )
    const latest = own.slice(-EDITABLE_MESSAGES)
    return latest[choice % latest.length]
  }

  async edit(person: Person, sent: SentMessage): Promise<void> {
    const version = ++sent.version
    const answer = await this.#requestWithCopies(person, sent, {
      event: 'edit_message',
      payload: { message_group_id: sent.acked?.group },
      version,
      onTimeout: () => {
        sent.hasUnansweredEdit = true
      },
    })
    if (answer?.status !== 'ok') return
    this.#journal.count('edits acked')
    sent.ackedVersion = version
  }

  async delete(person: Person, sent: SentMessage): Promise<void> {
    sent.deletion = 'requested'
    const payload = { message_group_id: sent.acked?.group }
    const answer = await person.request(`conversation:${sent.conversation}`, 'delete_message', () => payload)
    if (answer?.status !== 'ok')
      return void (
        answer && recordRejection(this.#journal, 'a deletion', answer, ['no_message', 'no_conversation'])
      )
    this.#journal.count('deletions acked')
    sent.deletion = 'acked'
  }

  /** Leaves a group, or is added again by its owner. */
  async leaveOrRejoin(person: Person, owner: Person, id: string): Promise<void> {
    const topic = `conversation:${id}`
    if (person.devices.some((device) => device.hasJoined(topic))) {
      const answer = await person.request(topic, 'leave_conversation', () => ({}))
      if (answer?.status === 'ok') this.#journal.count('members left')
      else if (answer) recordRejection(this.#journal, 'leaving', answer, ['no_conversation'])
    } else {
      const answer = await owner.request(topic, 'modify_conversation', () => ({ new_members: [person.id] }))
      if (answer?.status === 'ok') this.#journal.count('members added again')
      else if (answer) recordRejection(this.#journal, 'adding a member', answer, [])
    }
  }

  /** Pushes an event whose delivery is not guaranteed. */
  async pushEphemeral(person: Person, conversation: string, event: string): Promise<void> {
    const topic = `conversation:${conversation}`
    const device = person.devices.find((one) => one.hasJoined(topic))
    const answer = await device?.push(topic, event, {})
    if (answer?.status === 'error')
      recordRejection(this.#journal, event, answer, [
        'no_conversation',
        'busy',
        'rate_limited',
        'unmatched topic',
      ])
  }

  async #sendOnce(person: Person, sent: SentMessage): Promise<void> {
    const isLate = sent.acked !== undefined
    const answer = await this.#requestWithCopies(person, sent, {
      event: 'send_message',
      payload: { client_message_id: sent.id },
      version: isLate ? -1 : 0,
    })
    if (answer?.status !== 'ok') return
    this.#journal.count(sent.acked ? 'retries acked' : 'messages acked')
    const { message_group: group, seq } = answer.response
    if (sent.acked && (sent.acked.group !== group || sent.acked.seq !== seq)) {
      this.#journal.violation(
        `message ${sent.id} is stored twice: as ${sent.acked.group} over ${sent.acked.via} and as ${group} over ${answer.via}`,
      )
    }
    sent.acked ??= { at: this.#journal.now(), via: answer.via, group, seq }
  }

  /** Sends a request with a copy for each member. Retries if the members have changed. */
  async #requestWithCopies(
    person: Person,
    sent: SentMessage,
    {
      event,
      payload,
      version,
      onTimeout,
    }: { event: string; payload: object; version: number; onTimeout?: () => void },
  ): Promise<PersonReply | undefined> {
    for (;;) {
      const answer = await person.request(
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
        onTimeout,
      )
      if (!answer || answer.status === 'ok') return answer
      if (!/^(not_enough|too_many)_recipients$/.test(reasonOf(answer))) {
        recordRejection(this.#journal, event, answer, ['no_conversation', 'no_message'])
        return answer
      }
      this.#journal.count('sends with outdated members')
      await sleep(RETRY_DELAY_MS)
    }
  }
}
