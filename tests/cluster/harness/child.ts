import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const MAX_OUTPUT_LENGTH = 64 * 1024
const READY_TIMEOUT_MS = 60_000

/** Child processes to kill when this process exits. */
const running = new Set<Child>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A child process, with the end of its output. */
export class Child {
  readonly name: string
  /** Resolves with the exit code or the signal. */
  readonly exited: Promise<number | string>
  readonly #process: ChildProcess
  #output = ''
  #ended: number | string | undefined

  constructor(name: string, command: string, args: string[], options: SpawnOptions = {}) {
    this.name = name
    this.#process = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-MAX_OUTPUT_LENGTH)
      })
    }
    this.#process.on('error', (error) => {
      this.#output += error.message
      this.#ended ??= error.message
    })
    this.exited = once(this.#process, 'exit').then(
      ([code, signal]) => this.#end(code ?? signal),
      (error) => this.#end(error.message),
    )
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get output(): string {
    return this.#output
  }

  /** The exit code or signal; undefined while it runs. */
  get ended(): number | string | undefined {
    return this.#ended
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Waits until `answers` returns true. @throws if the process exits first or the wait times out. */
  async ready(answers: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS
    while (!(await answers())) {
      if (this.#ended !== undefined) throw this.#failure(`ended with ${this.#ended}`)
      if (Date.now() > deadline) throw this.#failure('was not ready in time')
      await sleep(50)
    }
  }

  #end(how: number | string): number | string {
    running.delete(this)
    this.#ended ??= how
    return this.#ended
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}: ${this.#output.slice(-4_000)}`)
  }
}
