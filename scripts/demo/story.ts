import { Conversation, type Copies, type Message, type MessageEventName } from './conversation.ts'
import { Person, type World } from './person.ts'

/** What was said, and what else must have stayed with the people. */
export interface Told {
  /** Distinct words of the messages: none of them may be found at the server. */
  words: string[]
  secrets: string[]
}

interface NewConversation {
  conversation: { id: string; alias: string | null }
}

/** Three people meet, talk in private and in a group, and leave. @throws at the first thing that is not as it should be. */
export class Story {
  readonly #world: World
  readonly #say: (line: string) => void
  readonly #texts: string[] = []
  readonly #secrets = new Set<string>()
  readonly #names = new Map<string, string>()

  constructor(world: World, say: (line: string) => void) {
    this.#world = world
    this.#say = say
  }

  async tell(): Promise<Told> {
    const [ann, bob, carol] = await this.#register()
    try {
      await this.#comeOnline(ann, bob, carol)
      const talk = await this.#talkInPrivate(ann, bob)
      await this.#talkInGroup(carol, [ann, bob])
      await this.#readElsewhere(talk)
      await this.#signOut(ann)
    } finally {
      for (const person of [ann, bob, carol]) person.disconnect()
    }
    return this.#checkSecrecy()
  }

  async #register(): Promise<[Person, Person, Person]> {
    this.#chapter('Ann, Bob and Carol make accounts')
    const people = ['Ann', 'Bob', 'Carol'].map((name) => Person.register(this.#world, name, this.#secrets))
    const [ann, bob, carol] = await Promise.all(people)
    for (const { name, login, id } of [ann!, bob!, carol!]) {
      this.#names.set(id, name)
      this.#line(name, `${login.email}, user ${id}`)
    }
    return [ann!, bob!, carol!]
  }

  async #comeOnline(ann: Person, ...others: Person[]): Promise<void> {
    this.#chapter('They come online')
    for (const person of [ann, ...others]) {
      person.connect()
      await person.join(`user:${person.id}`)
      await person.join('system:general')
    }
    // Several people may come in one diff.
    const awaited = new Map(others.map(({ id, name }) => [id, name]))
    while (awaited.size) {
      const { joins } = await ann.inbox.take<{ joins: object }>('system:general', 'presence_diff')
      for (const id of Object.keys(joins).filter((id) => awaited.has(id))) {
        this.#line('Ann', `sees ${awaited.get(id)} come online`)
        awaited.delete(id)
      }
    }
  }

  async #talkInPrivate(ann: Person, bob: Person): Promise<Conversation> {
    this.#chapter('Ann starts a private conversation with Bob')
    const anns = await Conversation.start(ann, 'start_private_conversation', { other_user_id: bob.id })
    const bobs = await this.#accept(bob)
    this.#line('', 'each made a key pair here; the private halves are locked with a passphrase')
    await Promise.all([anns.everyoneHasKeys(), bobs.everyoneHasKeys()])

    this.#chapter('A message each way')
    const invitation = await this.#write(anns, [bobs], 'The lighthouse opens on Thursday: bring an umbrella.')
    await bobs.push('start_typing')
    await anns.event<{ user_id: string }>('start_typing', ({ user_id }) => user_id === bob.id)
    this.#line('Ann', 'sees that Bob is typing')
    const answer = await this.#write(bobs, [anns], 'Perfect! Sandwiches and binoculars are packed.')
    await bobs.push('finish_typing')
    await anns.event<{ user_id: string }>('finish_typing', ({ user_id }) => user_id === bob.id)
    this.#line('Ann', 'sees that Bob has finished')

    this.#chapter('Second thoughts')
    await this.#edit(anns, bobs, invitation, 'The lighthouse opens on Saturday: leave the umbrella.')
    await bobs.push('delete_message', { message_group_id: answer.message_group })
    const isAnswer = (gone: { message_group_id: string }) => gone.message_group_id === answer.message_group
    await anns.event('delete_message', isAnswer)
    this.#line('Ann', 'sees that Bob took his message back')
    await this.#write(anns, [bobs], 'Whistle when you reach the harbour.')
    await bobs.push('read_conversation')
    await anns.event<{ user_id: string }>('read_conversation', ({ user_id }) => user_id === bob.id)
    this.#line('Ann', 'sees that Bob has read everything')
    return anns
  }

  async #talkInGroup(carol: Person, others: Person[]): Promise<void> {
    const alias = 'Weekend'
    this.#chapter(`Carol starts a group, "${alias}" (names of groups are not encrypted)`)
    const user_ids = others.map(({ id }) => id)
    const carols = await Conversation.start(carol, 'start_group_conversation', { user_ids, alias })
    const theirs = await Promise.all(others.map((person) => this.#accept(person, alias)))
    await Promise.all([carols, ...theirs].map((conversation) => conversation.everyoneHasKeys()))
    await this.#write(carols, theirs, 'Shall we invite the penguins?')
    await this.#write(theirs[0]!, [carols, theirs[1]!], 'Definitely, with marmalade.')
  }

  /** Takes part in the conversation that someone has just started. */
  async #accept(person: Person, alias: string | null = null): Promise<Conversation> {
    const isIt = ({ conversation }: NewConversation) => conversation.alias === alias
    const { conversation } = await person.inbox.take(`user:${person.id}`, 'new_conversation', isIt)
    this.#line(person.name, `joins conversation ${conversation.id}`)
    return Conversation.open(person, conversation.id)
  }

  async #readElsewhere({ id, member }: Conversation): Promise<void> {
    this.#chapter(`${member.name} reads the history on another device, with password and passphrase`)
    const there = await Person.signIn(this.#world, member)
    there.connect()
    try {
      const conversation = await Conversation.open(there, id)
      const history = await conversation.history(1)
      const texts = await Promise.all(history.map((message) => conversation.read(message)))
      for (const [i, text] of texts.entries()) {
        this.#line(member.name, `reads   ${text}`)
        this.#line('Server', `keeps   ${shorten(history[i]!.content)}`)
      }
      const expected = [
        'Whistle when you reach the harbour.',
        'The lighthouse opens on Saturday: leave the umbrella.',
      ]
      this.#check(texts.join() === expected.join(), `the history should not be ${texts.join(' ')}`)
    } finally {
      await there.signOut()
      there.disconnect()
    }
  }

  async #signOut(person: Person): Promise<void> {
    this.#chapter(`${person.name} signs out`)
    await person.signOut()
    const code = await person.closed
    this.#check(code === 1001, `the socket of a session that ended should be closed with 1001, not ${code}`)
    const answer = await person.get('/api/users').then(
      () => 'an answer',
      (error: Error) => error.message,
    )
    this.#check(answer.includes(' 401 '), `a token of a session that ended should get 401, not ${answer}`)
    this.#line('Server', `closes the socket (${code}) and no longer takes the token (401)`)
  }

  async #write(from: Conversation, to: Conversation[], text: string): Promise<Message> {
    const copies = await from.write(text)
    this.#sent(from, 'writes', text, copies)
    const readers = [from, ...to].map((reader) => this.#receive(reader, 'new_message', text, copies))
    return (await Promise.all(readers))[0]!
  }

  async #edit(from: Conversation, to: Conversation, message: Message, text: string): Promise<void> {
    const copies = await from.edit(message, text)
    this.#sent(from, 'edits', text, copies)
    await Promise.all([from, to].map((reader) => this.#receive(reader, 'edit_message', text, copies)))
  }

  #sent({ member }: Conversation, does: string, text: string, copies: Copies): void {
    this.#texts.push(text)
    this.#line(member.name, `${does.padEnd(7)} ${text}`)
    for (const [id, copy] of Object.entries(copies)) {
      this.#line('Server', `sees    ${shorten(copy)} for ${this.#names.get(id)}`)
    }
  }

  async #receive(
    reader: Conversation,
    event: MessageEventName,
    text: string,
    copies: Copies,
  ): Promise<Message> {
    const { member } = reader
    const message = await reader.nextMessage(event)
    const read = await reader.read(message)
    this.#line(member.name, `reads   ${read}`)
    this.#check(message.content === copies[member.id], `${member.name} should get the copy that is theirs`)
    this.#check(read === text, `${member.name} should read "${text}", not "${read}"`)
    return message
  }

  #checkSecrecy(): Told {
    this.#chapter('What did the server see?')
    const words = [...new Set(this.#texts.join(' ').match(/\p{Letter}{6,}/gu))]
    const secrets = [...this.#secrets]
    const leaked = this.#world.wire.leaked([...words, ...secrets])
    this.#check(leaked.length === 0, `these went over the wire in clear: ${leaked.join(', ')}`)
    this.#line(
      '',
      `${this.#world.wire.frames} frames were sent and received. In none of them, nor in any HTTP body,`,
    )
    this.#line('', `was one of the ${words.length} words ${words.slice(0, 4).join(', ')}…, or a passphrase.`)
    return { words, secrets }
  }

  #check(claim: boolean, failure: string): void {
    if (!claim) throw new Error(failure)
  }

  #chapter(title: string): void {
    this.#say(`\n${title}`)
  }

  #line(who: string, what: string): void {
    this.#say(`  ${who.padEnd(8)}${what}`)
  }
}

function shorten(content: string): string {
  return `${content.slice(0, 24)}… (${content.length} characters)`
}
