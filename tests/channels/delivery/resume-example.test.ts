import { readFileSync } from 'node:fs'
import type { Channel, Socket } from 'phoenix'
import { expect, it } from 'vitest'
import { type Person, startApp } from '../../support/app.ts'
import { copiesFor, push, startGroup } from '../../support/conversations.ts'
import { eventually } from '../../support/eventually.ts'
import { type Json, settle } from '../../support/phoenix.ts'

interface Row {
  sent: string
  received: string
  known: number
}

/** A client that follows the rule of `docs/protocol.md` for one conversation. */
class ResumingClient {
  /** What it sent and received since the last row. */
  #sent = ''
  #received = ''
  #known: number | undefined
  #socket: Socket | undefined
  #hasJoinedBoth = false
  readonly #person: Person
  readonly #topic: string

  constructor(person: Person, conversationId: string) {
    this.#person = person
    this.#topic = `conversation:${conversationId}`
  }

  disconnect(): Promise<void> {
    this.#hasJoinedBoth = false
    return new Promise((resolve) => this.#socket?.disconnect(resolve))
  }

  async connect(): Promise<void> {
    this.#socket = this.#person.connect()
    const channel = this.#channel(`user:${this.#person.id}`)
    channel.on('new_message', ({ message }: Json) => {
      this.#receive(`\`new_message\` with \`message.seq: ${message.seq}\``, message.seq)
    })
    channel.on('edit_message', ({ message, seq }: Json) => {
      this.#receive(`\`edit_message\` with \`message.seq: ${message.seq}\`, \`seq: ${seq}\``, seq)
    })
    await settle(channel.join())
  }

  async joinConversation(): Promise<void> {
    const payload = this.#known === undefined ? {} : { after_seq: this.#known }
    this.#sent = `join \`{${Object.entries(payload).map(([name, value]) => `${name}: ${value}`)}}\``
    const { response } = await settle(this.#channel(this.#topic, payload).join())
    this.#received = describeReply(response)
    this.#known = response.last_seq
    this.#hasJoinedBoth = true
  }

  async nextRow(receives: boolean): Promise<Row> {
    if (receives) await eventually(() => expect(this.#received).not.toBe(''))
    const row = { sent: this.#sent, received: this.#received, known: this.#known! }
    this.#sent = this.#received = ''
    return row
  }

  #receive(text: string, seq: number): void {
    this.#received = text
    if (this.#hasJoinedBoth) this.#known = Math.max(this.#known ?? 0, seq)
  }

  #channel(topic: string, payload: object = {}): Channel {
    return this.#socket!.channel(topic, { token: this.#person.token, ...payload })
  }
}

function describeReply({ recovered, last_seq, messages, changes }: Json): string {
  const list = (name: string, seqs: number[]) => {
    const shown = seqs.length > 3 ? [seqs[0], '…', seqs.at(-1)] : seqs
    return `\`${name}: [${shown.join(', ')}]\``
  }
  return [
    ...(recovered === undefined ? [] : [`\`recovered: ${recovered}\``]),
    `\`last_seq: ${last_seq}\``,
    messages
      ? list(
          'messages',
          messages.items.map(({ seq }: Json) => seq),
        )
      : list(
          'changes',
          changes.map(({ payload }: Json) => payload.seq ?? payload.message.seq),
        ),
  ].join(', ')
}

it('the server does what the example of docs/protocol.md says', async () => {
  const app = await startApp()
  const { id, people, channels } = await startGroup(app, ['ann', 'bob'])
  const [ann, bob] = people as [Person, Person]
  const bobChannel = channels[1]!
  const send = async () => {
    const client_message_id = crypto.randomUUID()
    const copies = copiesFor(people, 'text')
    const { response } = await push(bob, bobChannel, 'send_message', { ...copies, client_message_id })
    return response.message_group
  }
  const client = new ResumingClient(ann, id)
  const rows: Row[] = []
  const endRow = async (receives = true) => void rows.push(await client.nextRow(receives))

  await send()
  await send()
  await client.connect()
  await client.joinConversation()
  await endRow()
  const message_group_id = await send()
  await endRow()
  await push(bob, bobChannel, 'edit_message', { message_group_id, ...copiesFor(people, 'edited') })
  await endRow()
  await client.disconnect()
  await push(bob, bobChannel, 'delete_message', { message_group_id })
  await send()
  await endRow(false)
  await client.connect()
  await send()
  await endRow()
  await client.joinConversation()
  await endRow()
  await client.disconnect()
  await Promise.all(Array.from({ length: 501 }, send))
  await endRow(false)
  await client.connect()
  await client.joinConversation()
  await endRow()
  expect(documentedRows()).toEqual(rows)
})

/** The rows of the example: what the client sends, receives and then knows. */
function documentedRows(): Row[] {
  const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
  const [, example = ''] = page.split('### `after_seq` by example')
  const [table = ''] = example.match(/^\|[\s\S]*?(?=\n\n)/m) ?? []
  const [, , ...lines] = table.split('\n')
  return lines.map((line) => {
    const [, , sent = '', received = '', known = ''] = line.split('|').map((cell) => cell.trim())
    return { sent, received, known: Number.parseInt(known, 10) }
  })
}
