import { setTimeout as sleep } from 'node:timers/promises'
import type { Cast } from './cast.ts'
import type { Journal } from './journal.ts'
import { type Ledger, type Said, type Sent, writeCopy } from './ledger.ts'
import { type Answered, type Person, reasonOf } from './person.ts'
import type { Action, Retry } from './schedule.ts'
import type { Site } from './site.ts'

/** How long after its answer a late retry comes. */
const LATE_MS = 4_000
const PAUSE_MS = 300
/** One edits and deletes what one sent lately. */
const LATEST = 12

interface Stage {
  site: Site
  cast: Cast
  ledger: Ledger
  journal: Journal
}

/** Does what people do, and keeps at it until it is answered. */
export class Actions {
  readonly #site: Site
  readonly #cast: Cast
  readonly #ledger: Ledger
  readonly #journal: Journal
  /** What is being changed: a message, or somebody's place in a group or room. */
  readonly #busy = new Set<string>()

  constructor({ site, cast, ledger, journal }: Stage) {
    this.#site = site
    this.#cast = cast
    this.#ledger = ledger
    this.#journal = journal
  }

  /** Resolves when it is answered. */
  async perform(action: Action): Promise<void> {
    if (action.kind === 'reload') return this.#site.devices[action.client]?.reload()
    const person = this.#person(action.person)
    switch (action.kind) {
      case 'send':
        return this.send(person, this.#conversation(action.conversation), action.retry)
      case 'edit':
        return this.#alone(this.#choose(person, action), (sent) => this.#edit(person, sent))
      case 'delete':
        return this.#alone(this.#choose(person, action), (sent) => this.#delete(person, sent))
      case 'come_or_go':
        return this.#comeOrGo(person, action.conversation)
      case 'type':
        return this.#mention(person, this.#conversation(action.conversation), 'start_typing')
      case 'read':
        return this.#mention(person, this.#conversation(action.conversation), 'read_conversation')
      case 'say':
        return this.say(person, this.#room(action.room), action.retry)
      case 'enter_or_exit':
        return this.#enterOrExit(person, action.room)
      case 'hide':
        return this.#ledger.awaiting(`hiding ${person.name}`, this.#hide(person, action.hidden))
    }
  }

  /** Sends a message, as often as `retry` says. */
  async send(person: Person, conversation: string, retry: Retry = 'none'): Promise<void> {
    const sent = this.#ledger.send(conversation, person.id)
    await this.#ledger.awaiting(
      `sending ${sent.id}`,
      repeated(sent, retry, () => this.#sendOnce(person, sent)),
    )
  }

  /** Says something in a room. */
  async say(person: Person, room: string, retry: Retry = 'none'): Promise<void> {
    const said = this.#ledger.say(room, person.id, this.#journal.now())
    await this.#ledger.awaiting(
      `saying ${said.id}`,
      repeated(said, retry, () => this.#sayOnce(person, said)),
    )
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

  async #sayOnce(person: Person, said: Said): Promise<void> {
    const answer = await person.ask(`room:${said.room}`, 'message', () => ({
      message: said.id,
      client_message_id: said.id,
    }))
    if (answer?.status === 'ok') {
      this.#journal.count(said.acked ? 'room messages acked again' : 'room messages acked')
      said.acked ??= { at: this.#journal.now(), via: answer.via }
    } else if (answer)
      this.#expect(answer, `saying something in room ${said.room}`, ['not_member', 'unmatched topic'])
  }

  async #edit(person: Person, sent: Sent): Promise<void> {
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

  async #delete(person: Person, sent: Sent): Promise<void> {
    sent.deletion = 'asked'
    const payload = { message_group_id: sent.acked?.group }
    const answer = await person.ask(`conversation:${sent.conversation}`, 'delete_message', () => payload)
    if (answer?.status !== 'ok')
      return void (answer && this.#expect(answer, 'a deletion', ['no_message', 'no_conversation']))
    this.#journal.count('deletions acked')
    sent.deletion = 'acked'
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
        this.#expect(answer, event, ['no_conversation', 'no_message'])
        return answer
      }
      this.#journal.count('sends with outdated members')
      await sleep(PAUSE_MS)
    }
  }

  async #comeOrGo(person: Person, number: number): Promise<void> {
    const [first] = this.#cast.conversations[number] as [number]
    const owner = this.#person(first)
    if (owner === person) return
    const id = this.#conversation(number)
    const topic = `conversation:${id}`
    await this.#alone(`${person.id} in ${id}`, async () => {
      if (person.devices.some((device) => device.isIn(topic))) {
        const answer = await person.ask(topic, 'leave_conversation', () => ({}))
        if (answer?.status === 'ok') this.#journal.count('people left')
        else if (answer) this.#expect(answer, 'leaving', ['no_conversation'])
      } else {
        const answer = await owner.ask(topic, 'modify_conversation', () => ({ new_members: [person.id] }))
        if (answer?.status === 'ok') this.#journal.count('people came back')
        else if (answer) this.#expect(answer, 'bringing somebody back', [])
      }
    })
  }

  async #enterOrExit(person: Person, number: number): Promise<void> {
    const [first] = this.#cast.rooms[number] as [number]
    const owner = this.#person(first)
    if (owner === person) return
    const id = this.#room(number)
    await this.#alone(`${person.id} in ${id}`, async () => {
      const path = `/api/v1/chat/rooms/${id}/users/`
      if (person.devices.some((device) => device.rooms.has(id))) {
        const { status } = await this.#site.api.call('DELETE', `${path}${person.id}/`, {
          token: tokenOf(person),
        })
        if (status !== 204) return
        this.#ledger.left(id, person.id, this.#journal.now())
        this.#journal.count('people left rooms')
      } else {
        this.#ledger.mayBeBack(id, person.id, this.#journal.now())
        const { status, tries } = await this.#site.api.call('POST', path, {
          token: tokenOf(owner),
          body: { user_ids: [person.id] },
        })
        if (tries > 1) this.#ledger.isUnsure(id, person.id)
        if (status !== 200) return
        this.#journal.count('people came into rooms')
        for (const device of person.devices) device.enterRoom(id)
      }
    })
  }

  /** Says something that nobody has to hear. */
  async #mention(person: Person, conversation: string, event: string): Promise<void> {
    const topic = `conversation:${conversation}`
    const device = person.devices.find((one) => one.isIn(topic))
    const answer = await device?.push(topic, event, {})
    if (answer?.status === 'error')
      this.#expect(answer, event, ['no_conversation', 'busy', 'rate_limited', 'unmatched topic'])
  }

  /** Does nothing when the same is being changed already. */
  async #alone<T extends Sent | string>(
    subject: T | undefined,
    work: (subject: T) => Promise<void>,
  ): Promise<void> {
    if (subject === undefined) return
    const key = typeof subject === 'string' ? subject : subject.id
    if (this.#busy.has(key)) return
    this.#busy.add(key)
    try {
      await this.#ledger.awaiting(`changing ${key}`, work(subject))
    } finally {
      this.#busy.delete(key)
    }
  }

  async #hide(person: Person, hidden: boolean): Promise<void> {
    await person.ask('system:general', 'set_hidden', () => ({ hidden }))
  }

  #choose(
    person: Person,
    { conversation, choice }: { conversation: number; choice: number },
  ): Sent | undefined {
    const id = this.#conversation(conversation)
    const own = this.#ledger.sent.filter(
      (sent) => sent.sender === person.id && sent.conversation === id && sent.acked && !sent.deletion,
    )
    const latest = own.slice(-LATEST)
    return latest[choice % latest.length]
  }

  /** A refusal that nothing in the rules explains is a violation. */
  #expect(answer: Answered | { status: string; response: unknown }, what: string, reasons: string[]): void {
    const reason = reasonOf(answer as Answered)
    this.#journal.count(`refused: ${reason}`)
    if (!reasons.includes(reason))
      this.#journal.violation(`${what} was refused with ${JSON.stringify(answer.response)}`)
  }

  #person(number: number): Person {
    return this.#site.people[number] as Person
  }

  #conversation(number: number): string {
    return this.#site.conversations[number] as string
  }

  #room(number: number): string {
    return this.#site.rooms[number] as string
  }
}

/** Once, twice at the same time, or again when it was answered long ago. */
async function repeated(message: Sent | Said, retry: Retry, once: () => Promise<void>): Promise<void> {
  await Promise.all(retry === 'double' ? [once(), once()] : [once()])
  if (retry !== 'late' || !message.acked) return
  await sleep(LATE_MS)
  await once()
}

function tokenOf(person: Person): string {
  return person.devices[0]?.token ?? ''
}
