import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { isRunning } from '../running-process.ts'

const OWNER = /^([0-9a-f]{8})-(\d+)-[0-9a-f]{8}$/

/**
 * Names a process among all that share a folder or a database: a hash of the machine, the process id, and random digits, because
 * process ids are reused.
 */
export class ProcessOwner {
  readonly #machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
  readonly name = `${this.#machine}-${process.pid}-${randomBytes(4).toString('hex')}`

  /** Whether the named process has ended. False for processes of other machines, which cannot be checked. */
  hasEnded(name: string): boolean {
    const [, machine, digits] = OWNER.exec(name) ?? []
    if (machine !== this.#machine || name === this.name) return false
    const pid = Number(digits)
    return pid === process.pid || !isRunning(pid)
  }
}
