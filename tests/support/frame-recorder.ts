import type { Socket } from 'phoenix'
import type { Contract } from '../../src/config/config.ts'
import { type AsyncApi, DocumentChecker, documentOf } from './asyncapi.ts'

interface Frame {
  join_ref?: string | null
  ref?: string | null
  topic: string
  event: string
  payload: unknown
}

/** The documents, with schemas that were compiled for earlier tests. */
const checkers = new Map<Contract, { document: AsyncApi; checker: DocumentChecker }>()

/** Checks every frame that a server sends against the AsyncAPI document of its dialect. */
export class FrameRecorder {
  /** The messages of the document that were received: `conversation.event.update_alias`. */
  readonly seen = new Set<string>()
  /** What does not match the document. */
  readonly problems: string[] = []
  readonly #document: AsyncApi
  readonly #checker: DocumentChecker

  constructor(contract: Contract) {
    const { document, checker } = checkers.get(contract) ?? openChecker(contract)
    this.#document = document
    this.#checker = checker
  }

  /** Checks everything that a socket of the official client receives from now on. */
  watch(socket: Socket): void {
    const pushes = new Map<string, string>()
    const client: { push(frame: Frame): void } = socket
    const push = client.push.bind(client)
    client.push = (frame) => {
      const isBinary = frame.payload instanceof ArrayBuffer
      pushes.set(`${frame.topic} ${frame.ref}`, `push.${frame.event}${isBinary ? '_file' : ''}`)
      push(frame)
    }
    socket.onMessage((message) => {
      // The client declares a message as any object.
      const { topic, event, ref, payload, join_ref = null } = message as Frame
      const name =
        event === 'phx_reply'
          ? `${pushes.get(`${topic} ${ref}`)}.${(payload as { status: string }).status}`
          : `event.${event}`
      this.#check(channelOf(topic), name, { join_ref, ref: ref ?? null, topic, event }, payload)
    })
  }

  /** Checks a frame of a room socket. */
  receive(frame: unknown): void {
    this.#check('roomSocket', `event.${(frame as { type: string }).type}`, undefined, frame)
  }

  #check(channel: string, name: string, headers: object | undefined, payload: unknown): void {
    const where = `${channel}.${name}`
    const message = this.#document.channels[channel]?.messages[name]
    if (!message && isRejection(name)) return
    if (!message) return void this.problems.push(`${where} is not documented: ${JSON.stringify(payload)}`)
    this.seen.add(where)
    const problems = [
      ...this.#checker.errors(message.payload, payload),
      ...(message.headers ? this.#checker.errors(message.headers, headers) : []),
    ]
    for (const problem of problems) this.problems.push(`${where}: ${problem} in ${JSON.stringify(payload)}`)
  }
}

function channelOf(topic: string): string {
  return topic.slice(0, topic.includes(':') ? topic.indexOf(':') : undefined)
}

/** Whether a push that is not documented was rejected. */
function isRejection(name: string): boolean {
  return name.endsWith('.error')
}

function openChecker(contract: Contract) {
  const document = documentOf(contract)
  const opened = { document, checker: new DocumentChecker(document) }
  checkers.set(contract, opened)
  return opened
}
