import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../support/free-port.ts'
import { Child } from './child.ts'

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

/** One server process of a site; it keeps its port when it is started again. */
export class Node {
  readonly name: string
  readonly port: number
  readonly #env: Record<string, string | undefined>
  #child: Child | undefined
  /** Whether its end is our doing. */
  #mayEnd = true
  #strayEnds: string[] = []

  private constructor(name: string, port: number, env: Record<string, string | undefined>) {
    this.name = name
    this.port = port
    this.#env = env
  }

  /** A node that is yet to be started. */
  static async make(name: string, env: Record<string, string | undefined>): Promise<Node> {
    return new Node(name, await freePort(), env)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.ended === undefined
  }

  /** What it printed last. */
  get output(): string {
    return this.#child?.output ?? ''
  }

  /** How it ended without having been told to, each time it did. */
  get strayEnds(): readonly string[] {
    return this.#strayEnds
  }

  /** @throws when it ends before it is ready. */
  async start(): Promise<void> {
    const env = { PATH: process.env.PATH, ...this.#env, PORT: String(this.port) }
    const child = new Child(this.name, process.execPath, ['--enable-source-maps', MAIN], { env })
    this.#child = child
    this.#mayEnd = true
    void child.exited.then((how) => {
      if (!this.#mayEnd) this.#strayEnds.push(`${this.name} ended with ${how}: ${child.output.slice(-4_000)}`)
    })
    await child.ready(() => this.isReady())
    this.#mayEnd = false
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to drain and end. @returns how it ended. */
  stop(): Promise<number | string> {
    return this.#end('SIGTERM')
  }

  /** Freezes it: its connections stay, and nothing moves. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok
    } catch {
      return false
    }
  }

  /** Bytes of memory it has in use. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
  }

  async #end(signal: NodeJS.Signals): Promise<number | string> {
    this.#mayEnd = true
    this.#child?.kill(signal)
    return (await this.#child?.exited) ?? 'never started'
  }
}
