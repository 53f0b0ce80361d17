import { ConversationActions } from './conversation-actions.ts'
import type { Deployment } from './deployment.ts'
import type { Journal } from './journal.ts'
import type { OperationLog, SentMessage } from './operation-log.ts'
import type { Person } from './person.ts'
import type { Population } from './population.ts'
import { RoomActions } from './room-actions.ts'
import type { Action } from './schedule.ts'

interface RunnerOptions {
  deployment: Deployment
  population: Population
  operations: OperationLog
  journal: Journal
}

/** Performs the actions of a schedule. */
export class ActionRunner {
  readonly conversations: ConversationActions
  readonly rooms: RoomActions
  readonly #deployment: Deployment
  readonly #population: Population
  readonly #operations: OperationLog
  /** What is being changed: messages, and memberships of groups and rooms. */
  readonly #inProgress = new Set<string>()

  constructor({ deployment, population, operations, journal }: RunnerOptions) {
    this.conversations = new ConversationActions({ operations, journal })
    this.rooms = new RoomActions({ api: deployment.api, operations, journal })
    this.#deployment = deployment
    this.#population = population
    this.#operations = operations
  }

  /** Resolves when the server has answered. */
  async perform(action: Action): Promise<void> {
    if (action.kind === 'reload') return this.#deployment.devices[action.client]?.reload()
    const person = this.#person(action.person)
    if (action.kind === 'hide') return this.#setHidden(person, action.hidden)
    if ('room' in action) {
      const id = this.#deployment.rooms[action.room] as string
      if (action.kind === 'send_to_room') return this.rooms.send(person, id, action.retry)
      const owner = this.#ownerOf(this.#population.rooms[action.room])
      return this.#exclusively(owner !== person && `${person.id} in ${id}`, () =>
        this.rooms.leaveOrRejoin(person, owner, id),
      )
    }
    const id = this.#deployment.conversations[action.conversation] as string
    switch (action.kind) {
      case 'send':
        return this.conversations.send(person, id, action.retry)
      case 'edit':
        return this.#change(person, id, action.choice, (sent) => this.conversations.edit(person, sent))
      case 'delete':
        return this.#change(person, id, action.choice, (sent) => this.conversations.delete(person, sent))
      case 'type':
        return this.conversations.pushEphemeral(person, id, 'start_typing')
      case 'read':
        return this.conversations.pushEphemeral(person, id, 'read_conversation')
      case 'leave_or_rejoin': {
        const owner = this.#ownerOf(this.#population.conversations[action.conversation])
        return this.#exclusively(owner !== person && `${person.id} in ${id}`, () =>
          this.conversations.leaveOrRejoin(person, owner, id),
        )
      }
    }
  }

  #setHidden(person: Person, hidden: boolean): Promise<void> {
    const request = person.request('system:general', 'set_hidden', () => ({ hidden }))
    return this.#operations.track(
      `set_hidden of ${person.name}`,
      request.then(() => {}),
    )
  }

  #change(
    person: Person,
    conversation: string,
    choice: number,
    change: (sent: SentMessage) => Promise<void>,
  ): Promise<void> {
    const sent = this.conversations.choose(person, conversation, choice)
    return sent ? this.#exclusively(sent.id, () => change(sent)) : Promise.resolve()
  }

  /** Does nothing if the subject is false, or is being changed already. */
  async #exclusively(subject: string | false, work: () => Promise<void>): Promise<void> {
    if (!subject || this.#inProgress.has(subject)) return
    this.#inProgress.add(subject)
    try {
      await this.#operations.track(`changing ${subject}`, work())
    } finally {
      this.#inProgress.delete(subject)
    }
  }

  /** The first member, who never leaves. */
  #ownerOf(people: number[] | undefined): Person {
    return this.#person(people?.[0] ?? 0)
  }

  #person(index: number): Person {
    return this.#deployment.people[index] as Person
  }
}
