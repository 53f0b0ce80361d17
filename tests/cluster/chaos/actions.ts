import type { Cast } from './cast.ts'
import type { Journal } from './journal.ts'
import type { Ledger, Sent } from './ledger.ts'
import type { Person } from './person.ts'
import type { Action } from './schedule.ts'
import type { Site } from './site.ts'
import { Talking } from './talking.ts'
import { Visiting } from './visiting.ts'

interface Stage {
  site: Site
  cast: Cast
  ledger: Ledger
  journal: Journal
}

/** Has people do what a schedule says. */
export class Actions {
  readonly talking: Talking
  readonly visiting: Visiting
  readonly #site: Site
  readonly #cast: Cast
  readonly #ledger: Ledger
  /** What is being changed: a message, or somebody's place in a group or room. */
  readonly #busy = new Set<string>()

  constructor({ site, cast, ledger, journal }: Stage) {
    this.talking = new Talking({ ledger, journal })
    this.visiting = new Visiting({ api: site.api, ledger, journal })
    this.#site = site
    this.#cast = cast
    this.#ledger = ledger
  }

  /** Resolves when it is answered. */
  async perform(action: Action): Promise<void> {
    if (action.kind === 'reload') return this.#site.devices[action.client]?.reload()
    const person = this.#person(action.person)
    if (action.kind === 'hide') return this.#hide(person, action.hidden)
    if ('room' in action) {
      const id = this.#site.rooms[action.room] as string
      if (action.kind === 'say') return this.visiting.say(person, id, action.retry)
      const owner = this.#ownerOf(this.#cast.rooms[action.room])
      return this.#alone(owner !== person && `${person.id} in ${id}`, () =>
        this.visiting.enterOrExit(person, owner, id),
      )
    }
    const id = this.#site.conversations[action.conversation] as string
    switch (action.kind) {
      case 'send':
        return this.talking.send(person, id, action.retry)
      case 'edit':
        return this.#change(person, id, action.choice, (sent) => this.talking.edit(person, sent))
      case 'delete':
        return this.#change(person, id, action.choice, (sent) => this.talking.delete(person, sent))
      case 'type':
        return this.talking.mention(person, id, 'start_typing')
      case 'read':
        return this.talking.mention(person, id, 'read_conversation')
      case 'come_or_go': {
        const owner = this.#ownerOf(this.#cast.conversations[action.conversation])
        return this.#alone(owner !== person && `${person.id} in ${id}`, () =>
          this.talking.comeOrGo(person, owner, id),
        )
      }
    }
  }

  #hide(person: Person, hidden: boolean): Promise<void> {
    const asking = person.ask('system:general', 'set_hidden', () => ({ hidden }))
    return this.#ledger.awaiting(
      `hiding ${person.name}`,
      asking.then(() => {}),
    )
  }

  #change(
    person: Person,
    conversation: string,
    choice: number,
    change: (sent: Sent) => Promise<void>,
  ): Promise<void> {
    const sent = this.talking.choose(person, conversation, choice)
    return sent ? this.#alone(sent.id, () => change(sent)) : Promise.resolve()
  }

  /** Does nothing when the same is being changed already, or nothing may be. */
  async #alone(subject: string | false, work: () => Promise<void>): Promise<void> {
    if (!subject || this.#busy.has(subject)) return
    this.#busy.add(subject)
    try {
      await this.#ledger.awaiting(`changing ${subject}`, work())
    } finally {
      this.#busy.delete(subject)
    }
  }

  /** The first, who stays. */
  #ownerOf(people: number[] | undefined): Person {
    return this.#person(people?.[0] ?? 0)
  }

  #person(number: number): Person {
    return this.#site.people[number] as Person
  }
}
