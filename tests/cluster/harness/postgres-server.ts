import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { freePort } from '../../support/free-port.ts'
import { Child } from './child.ts'

const INSTALLED = '/usr/lib/postgresql'

/** A PostgreSQL server process, which can be stopped without a shutdown. */
export class PostgresServer {
  readonly port: number
  readonly #folder: string
  readonly #user: User
  #child: Child | undefined

  private constructor(port: number, folder: string, user: User) {
    this.port = port
    this.#folder = folder
    this.#user = user
  }

  static async start(): Promise<PostgresServer> {
    const user = unprivileged()
    const folder = mkdtempSync(join(tmpdir(), 'parley-postgres-'))
    if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid)
    const server = new PostgresServer(await freePort(), folder, user)
    const args = ['-D', server.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']
    execFileSync(binary('initdb'), args, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
    await server.start()
    return server
  }

  /** The URL of its database. */
  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`
  }

  async start(): Promise<void> {
    const settings = [
      ['listen_addresses', '127.0.0.1'],
      ['port', this.port],
      ['unix_socket_directories', this.#folder],
      // A killed process loses nothing that it wrote to the kernel.
      ['fsync', 'off'],
    ].flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const options = { ...this.#user, cwd: this.#folder }
    this.#child = new Child('PostgreSQL', binary('postgres'), ['-D', this.#data, ...settings], options)
    await this.#child.ready(() => this.#answers())
  }

  /** Drops every connection and every open transaction. Committed data stays. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGQUIT')
    await this.#child?.exited
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  async #answers(): Promise<boolean> {
    const sql = postgres(this.url, { max: 1, connect_timeout: 2, onnotice: () => {} })
    try {
      await sql`select 1`
      return true
    } catch {
      return false
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
}

interface User {
  uid?: number
  gid?: number
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): User {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function binary(name: string): string {
  const version = readdirSync(INSTALLED)
    .sort((a, b) => Number(a) - Number(b))
    .at(-1)
  if (!version) throw new Error(`There is no PostgreSQL in ${INSTALLED}.`)
  return join(INSTALLED, version, 'bin', name)
}
