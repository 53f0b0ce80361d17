import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../support/free-port.ts'
import { Child } from './child.ts'

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

/** A server process. It keeps its port when it is restarted. */
export class Node {
  readonly name: string
  readonly port: number
  readonly #env: Record<string, string | undefined>
  #child: Child | undefined
  /** Whether the process may exit: it is starting, or it was stopped by the test. */
  #mayExit = true
  #unexpectedExits: string[] = []

  private constructor(name: string, port: number, env: Record<string, string | undefined>) {
    this.name = name
    this.port = port
    this.#env = env
  }

  /** Creates a node without starting it. */
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

  /** The end of its output. */
  get output(): string {
    return this.#child?.output ?? ''
  }

  /** Descriptions of its unexpected exits. */
  get unexpectedExits(): readonly string[] {
    return this.#unexpectedExits
  }

  /** @throws if it exits before it is ready. */
  async start(): Promise<void> {
    const env = { PATH: process.env.PATH, ...this.#env, PORT: String(this.port) }
    const child = new Child(this.name, process.execPath, ['--enable-source-maps', MAIN], { env })
    this.#child = child
    this.#mayExit = true
    void child.exited.then((how) => {
      if (!this.#mayExit)
        this.#unexpectedExits.push(`${this.name} ended with ${how}: ${child.output.slice(-4_000)}`)
    })
    await child.ready(() => this.isReady())
    this.#mayExit = false
  }

  /** Sends SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Sends SIGTERM, so that it drains and exits. @returns the exit code or the signal. */
  stop(): Promise<number | string> {
    return this.#end('SIGTERM')
  }

  /** Sends SIGSTOP. Its connections stay open. */
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

  /** Its resident memory in bytes. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
  }

  async #end(signal: NodeJS.Signals): Promise<number | string> {
    this.#mayExit = true
    this.#child?.kill(signal)
    return (await this.#child?.exited) ?? 'never started'
  }
}
