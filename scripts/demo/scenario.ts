import { Conversation, type Copies, type Message, type MessageEventName } from './conversation.ts'
import { type DemoContext, Person } from './person.ts'

/** The texts and secrets that must not be stored by the server. */
export interface ScenarioResult {
  /** Distinct words of the messages. The server must store none of them. */
  words: string[]
  secrets: string[]
}

interface NewConversation {
  conversation: { id: string; alias: string | null }
}

/** Three users chat in a private conversation and in a group, and sign out. @throws if a check fails. */
export class Scenario {
  readonly #context: DemoContext
  readonly #print: (line: string) => void
  readonly #texts: string[] = []
  readonly #secrets = new Set<string>()
  readonly #names = new Map<string, string>()

  constructor(context: DemoContext, print: (line: string) => void) {
    this.#context = context
    this.#print = print
  }

  async run(): Promise<ScenarioResult> {
    const [ann, bob, carol] = await this.#register()
    try {
      await this.#connect(ann, bob, carol)
      const conversation = await this.#chatInPrivate(ann, bob)
      await this.#chatInGroup(carol, [ann, bob])
      await this.#readOnAnotherDevice(conversation)
      await this.#signOut(ann)
    } finally {
      for (const person of [ann, bob, carol]) person.disconnect()
    }
    return this.#checkSecrecy()
  }

  async #register(): Promise<[Person, Person, Person]> {
    this.#heading('Ann, Bob and Carol create accounts')
    const people = ['Ann', 'Bob', 'Carol'].map((name) => Person.register(this.#context, name, this.#secrets))
    const [ann, bob, carol] = await Promise.all(people)
    for (const { name, login, id } of [ann!, bob!, carol!]) {
      this.#names.set(id, name)
      this.#line(name, `${login.email}, user ${id}`)
    }
    return [ann!, bob!, carol!]
  }

  async #connect(ann: Person, ...others: Person[]): Promise<void> {
    this.#heading('They connect')
    for (const person of [ann, ...others]) {
      person.connect()
      await person.join(`user:${person.id}`)
      await person.join('system:general')
    }
    // One diff may contain several users.
    const awaited = new Map(others.map(({ id, name }) => [id, name]))
    while (awaited.size) {
      const { joins } = await ann.events.take<{ joins: object }>('system:general', 'presence_diff')
      for (const id of Object.keys(joins).filter((id) => awaited.has(id))) {
        this.#line('Ann', `sees ${awaited.get(id)} come online`)
        awaited.delete(id)
      }
    }
  }

  async #chatInPrivate(ann: Person, bob: Person): Promise<Conversation> {
    this.#heading('Ann starts a private conversation with Bob')
    const annsConversation = await Conversation.start(ann, 'start_private_conversation', {
      other_user_id: bob.id,
    })
    const bobsConversation = await this.#accept(bob)
    this.#line('', 'each client generated a key pair; the private keys are encrypted with a passphrase')
    await Promise.all([annsConversation.waitForKeys(), bobsConversation.waitForKeys()])

    this.#heading('They exchange messages')
    const invitation = await this.#write(
      annsConversation,
      [bobsConversation],
      'The lighthouse opens on Thursday: bring an umbrella.',
    )
    await bobsConversation.push('start_typing')
    await annsConversation.event<{ user_id: string }>('start_typing', ({ user_id }) => user_id === bob.id)
    this.#line('Ann', 'sees that Bob is typing')
    const answer = await this.#write(
      bobsConversation,
      [annsConversation],
      'Perfect! Sandwiches and binoculars are packed.',
    )
    await bobsConversation.push('finish_typing')
    await annsConversation.event<{ user_id: string }>('finish_typing', ({ user_id }) => user_id === bob.id)
    this.#line('Ann', 'sees that Bob has finished')

    this.#heading('They edit and delete messages')
    await this.#edit(
      annsConversation,
      bobsConversation,
      invitation,
      'The lighthouse opens on Saturday: leave the umbrella.',
    )
    await bobsConversation.push('delete_message', { message_group_id: answer.message_group })
    const isAnswer = (gone: { message_group_id: string }) => gone.message_group_id === answer.message_group
    await annsConversation.event('delete_message', isAnswer)
    this.#line('Ann', 'sees that Bob deleted his message')
    await this.#write(annsConversation, [bobsConversation], 'Whistle when you reach the harbour.')
    await bobsConversation.push('read_conversation')
    await annsConversation.event<{ user_id: string }>(
      'read_conversation',
      ({ user_id }) => user_id === bob.id,
    )
    this.#line('Ann', 'sees that Bob has read everything')
    return annsConversation
  }

  async #chatInGroup(carol: Person, others: Person[]): Promise<void> {
    const alias = 'Weekend'
    this.#heading(`Carol starts a group, "${alias}" (names of groups are not encrypted)`)
    const user_ids = others.map(({ id }) => id)
    const carolsConversation = await Conversation.start(carol, 'start_group_conversation', {
      user_ids,
      alias,
    })
    const otherConversations = await Promise.all(others.map((person) => this.#accept(person, alias)))
    await Promise.all(
      [carolsConversation, ...otherConversations].map((conversation) => conversation.waitForKeys()),
    )
    await this.#write(carolsConversation, otherConversations, 'Shall we invite the penguins?')
    await this.#write(
      otherConversations[0]!,
      [carolsConversation, otherConversations[1]!],
      'Definitely, with marmalade.',
    )
  }

  /** Joins a conversation that another user has just started. */
  async #accept(person: Person, alias: string | null = null): Promise<Conversation> {
    const isExpected = ({ conversation }: NewConversation) => conversation.alias === alias
    const { conversation } = await person.events.take(`user:${person.id}`, 'new_conversation', isExpected)
    this.#line(person.name, `joins conversation ${conversation.id}`)
    return Conversation.open(person, conversation.id)
  }

  async #readOnAnotherDevice({ id, member }: Conversation): Promise<void> {
    this.#heading(`${member.name} reads the history on another device, with password and passphrase`)
    const otherDevice = await Person.signIn(this.#context, member)
    otherDevice.connect()
    try {
      const conversation = await Conversation.open(otherDevice, id)
      const history = await conversation.history(1)
      const texts = await Promise.all(history.map((message) => conversation.read(message)))
      for (const [i, text] of texts.entries()) {
        this.#line(member.name, `reads   ${text}`)
        this.#line('Server', `stores  ${shorten(history[i]!.content)}`)
      }
      const expected = [
        'Whistle when you reach the harbour.',
        'The lighthouse opens on Saturday: leave the umbrella.',
      ]
      this.#check(texts.join() === expected.join(), `the history should not be ${texts.join(' ')}`)
    } finally {
      await otherDevice.signOut()
      otherDevice.disconnect()
    }
  }

  async #signOut(person: Person): Promise<void> {
    this.#heading(`${person.name} signs out`)
    await person.signOut()
    const code = await person.closed
    this.#check(code === 1001, `the socket of a session that ended should be closed with 1001, not ${code}`)
    const answer = await person.get('/api/users').then(
      () => 'an answer',
      (error: Error) => error.message,
    )
    this.#check(answer.includes(' 401 '), `a token of a session that ended should get 401, not ${answer}`)
    this.#line('Server', `closes the socket (${code}) and rejects the token (401)`)
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

  #sent({ member }: Conversation, action: string, text: string, copies: Copies): void {
    this.#texts.push(text)
    this.#line(member.name, `${action.padEnd(7)} ${text}`)
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
    this.#check(
      message.content === copies[member.id],
      `${member.name} should get the copy that is otherConversations`,
    )
    this.#check(read === text, `${member.name} should read "${text}", not "${read}"`)
    return message
  }

  #checkSecrecy(): ScenarioResult {
    this.#heading('What did the server receive?')
    const words = [...new Set(this.#texts.join(' ').match(/\p{Letter}{6,}/gu))]
    const secrets = [...this.#secrets]
    const leaked = this.#context.recorder.leaked([...words, ...secrets])
    this.#check(leaked.length === 0, `these were sent unencrypted: ${leaked.join(', ')}`)
    this.#line(
      '',
      `${this.#context.recorder.frames} frames were sent and received. In none of them, nor in any HTTP body,`,
    )
    this.#line('', `was one of the ${words.length} words ${words.slice(0, 4).join(', ')}…, or a passphrase.`)
    return { words, secrets }
  }

  #check(condition: boolean, failure: string): void {
    if (!condition) throw new Error(failure)
  }

  #heading(title: string): void {
    this.#print(`\n${title}`)
  }

  #line(who: string, what: string): void {
    this.#print(`  ${who.padEnd(8)}${what}`)
  }
}

function shorten(content: string): string {
  return `${content.slice(0, 24)}… (${content.length} characters)`
}
