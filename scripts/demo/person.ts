import { randomBytes, randomUUID } from 'node:crypto'
import { type Channel, type Push, Socket } from 'phoenix'
import { EventBuffer } from './event-buffer.ts'
import { Passphrase } from './keys.ts'
import type { TrafficRecorder } from './traffic-recorder.ts'

/** The server, and the recorder of all traffic. */
export interface DemoContext {
  url: string
  recorder: TrafficRecorder
}

interface Login {
  email: string
  password: string
}

interface SignedIn {
  user: { id: string }
  auth_token: string
  refresh_token: string
}

/** A user with one session and one connection. */
export class Person {
  readonly name: string
  readonly id: string
  readonly login: Login
  readonly passphrase: Passphrase
  readonly events: EventBuffer
  /** Resolves with the close code when the server closes the connection. */
  readonly closed: Promise<number>
  readonly #context: DemoContext
  readonly #socket: Socket
  readonly #refreshToken: string
  readonly #token: string
  readonly #channels = new Map<string, Channel>()

  private constructor(
    context: DemoContext,
    who: Pick<Person, 'name' | 'login' | 'passphrase'>,
    signedIn: SignedIn,
  ) {
    this.name = who.name
    this.login = who.login
    this.passphrase = who.passphrase
    this.id = signedIn.user.id
    this.events = new EventBuffer(who.name)
    this.#context = context
    this.#token = signedIn.auth_token
    this.#refreshToken = signedIn.refresh_token
    this.#socket = new Socket(`${context.url.replace(/^http/, 'ws')}/socket`, {
      transport: context.recorder.transport(),
      authToken: this.#token,
    })
    this.closed = new Promise((resolve) => {
      this.#socket.onClose(({ code }) => {
        this.#socket.disconnect()
        resolve(code)
      })
    })
  }

  /** Creates an account. Adds the passphrase, which the server must never receive, to `secrets`. */
  static async register(context: DemoContext, name: string, secrets: Set<string>): Promise<Person> {
    const login = {
      email: `${name.toLowerCase()}.${randomBytes(4).toString('hex')}@example.com`,
      password: randomBytes(18).toString('base64url'),
    }
    const secret = randomUUID()
    secrets.add(secret)
    const signedIn = await request<SignedIn>(context, 'POST', '/auth/register', {
      body: { ...login, display_name: `${name} of the demo` },
    })
    return new Person(context, { name, login, passphrase: new Passphrase(secret) }, signedIn)
  }

  /** Signs the same user in on another device, which knows only the password and the passphrase. */
  static async signIn(context: DemoContext, { name, login, passphrase }: Person): Promise<Person> {
    const signedIn = await request<SignedIn>(context, 'POST', '/auth/login', { body: login })
    return new Person(context, { name, login, passphrase }, signedIn)
  }

  connect(): void {
    this.#socket.connect()
  }

  /** Joins a topic and returns the reply. Its events are added to `events` from now on. */
  join<T>(topic: string, params: object = {}): Promise<T> {
    const channel = this.#socket.channel(topic, { token: this.#token, ...params })
    channel.onMessage = (event, payload) => {
      if (!/^(phx_|chan_reply_)/.test(event)) this.events.deliver({ topic, event, payload })
      return payload
    }
    this.#channels.set(topic, channel)
    return this.#settle(channel.join(), `join ${topic}`)
  }

  push<T>(topic: string, event: string, payload: object = {}): Promise<T> {
    const channel = this.#channels.get(topic)
    if (!channel) throw new Error(`${this.name} has not joined ${topic}`)
    return this.#settle(channel.push(event, { token: this.#token, ...payload }), `${event} on ${topic}`)
  }

  get<T>(path: string): Promise<T> {
    return request(this.#context, 'GET', path, { token: this.#token })
  }

  /** Ends the session. The server then closes the connection. */
  async signOut(): Promise<void> {
    await request(this.#context, 'POST', '/api/signout', { body: { token: this.#refreshToken } })
  }

  disconnect(): void {
    this.#socket.disconnect()
  }

  #settle<T>(push: Push, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (why: unknown) =>
        reject(new Error(`${this.name} could not ${what}: ${JSON.stringify(why)}`))
      push
        .receive('ok', resolve)
        .receive('error', fail)
        .receive('timeout', () => fail('timeout'))
    })
  }
}

async function request<T>(
  { url, recorder }: DemoContext,
  method: string,
  path: string,
  { body, token }: { body?: object; token?: string },
): Promise<T> {
  const sent = body && JSON.stringify(body)
  const headers = {
    ...(sent && { 'content-type': 'application/json' }),
    ...(token && { authorization: `Bearer ${token}` }),
  }
  const response = await fetch(`${url}${path}`, { method, headers, ...(sent && { body: sent }) })
  const received = await response.text()
  recorder.record(sent ?? '')
  recorder.record(received)
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status} ${received}`)
  return (received && JSON.parse(received)) as T
}
