import type { Api } from './api.ts'

const PASSWORD = 'four brave otters sing'

/** Creates an account. @returns its id. */
export async function register(api: Api, email: string): Promise<string> {
  const { status, body } = await api.call('POST', '/auth/register', { body: { email, password: PASSWORD } })
  if (status !== 200) throw new Error(`${email} could not be registered: ${JSON.stringify(body)}`)
  return body.user.id
}

/** The session of a device. Its tokens are replaced on each reconnection. */
export class Session {
  readonly #api: Api
  #token: string
  #refreshToken: string
  #refreshing: Promise<string[]> | undefined

  private constructor(api: Api, token: string, refreshToken: string) {
    this.#api = api
    this.#token = token
    this.#refreshToken = refreshToken
  }

  static async start(api: Api, email: string): Promise<Session> {
    const { status, body } = await api.call('POST', '/auth/login', { body: { email, password: PASSWORD } })
    if (status !== 200) throw new Error(`${email} could not sign in: ${JSON.stringify(body)}`)
    return new Session(api, body.auth_token, body.refresh_token)
  }

  get token(): string {
    return this.#token
  }

  /** Refreshes the tokens. @returns the ids of the user's conversations. @throws if the session has ended. */
  refresh(): Promise<string[]> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #refresh(): Promise<string[]> {
    const { status, body } = await this.#api.call('POST', '/auth/refresh', {
      body: { token: this.#refreshToken },
    })
    if (status !== 200) throw new Error(`The session was lost: ${status} ${JSON.stringify(body)}`)
    this.#token = body.auth_token
    this.#refreshToken = body.refresh_token
    return body.conversations.map(({ id }: { id: string }) => id)
  }
}
