import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'

/** Lists all problems of the configuration. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(
      `Parley cannot start, because its configuration is invalid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
    this.name = 'ConfigError'
  }
}

/** Reads typed values from environment variables. It collects problems, which `finish` throws together. */
export class EnvironmentReader {
  readonly #env: NodeJS.ProcessEnv
  readonly #problems: string[] = []

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  /** Adds a problem, as the predicate of a sentence about the variable. */
  problem(name: string, predicate: string): void {
    this.#problems.push(`${name} ${predicate}.`)
  }

  /** @throws ConfigError if there are problems. */
  finish(): void {
    if (this.#problems.length) throw new ConfigError(this.#problems)
  }

  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined
  }

  require(when: string, ...names: string[]): void {
    for (const name of names) if (!this.text(name)) this.problem(name, `is required ${when}`)
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    this.problem(name, `must be an integer from ${min} to ${max}`)
    return fallback
  }

  oneOf<const T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const text = this.text(name)
    if (text === undefined) return fallback
    if ((choices as readonly string[]).includes(text)) return text as T
    this.problem(name, `must be one of ${choices.join(', ')}`)
    return fallback
  }

  matching(name: string, pattern: RegExp, description: string, fallback: string): string {
    const text = this.text(name)
    if (text !== undefined && !pattern.test(text)) this.problem(name, `must be ${description}`)
    return text ?? fallback
  }

  url(name: string, protocols: string[]): string | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text
    this.problem(name, `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`)
    return undefined
  }

  list(name: string): string[] {
    return (this.text(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)
  }

  origins(name: string): '*' | string[] {
    const origins = this.list(name)
    if (origins.length === 0 || origins.includes('*')) return '*'
    const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, '')
    if (!origins.every(isOrigin))
      this.problem(name, 'must be * or a comma-separated list of origins, such as https://chat.example.com')
    return origins.map((origin) => origin.replace(/\/$/, ''))
  }

  cidrs(name: string): string[] {
    const ranges = this.list(name)
    if (!ranges.every(isCidr))
      this.problem(name, 'must be a comma-separated list of addresses or CIDRs, such as 10.0.0.0/8')
    return ranges
  }
}

function isCidr(range: string): boolean {
  const [address = '', prefix, ...rest] = range.split('/')
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (!isIP(address) || rest.length) return false
  if (prefix === undefined) return true
  try {
    new BlockList().addSubnet(address, /^\d+$/.test(prefix) ? Number(prefix) : -1, family)
    return true
  } catch {
    return false
  }
}

/** Minimum number of files reserved for everything but client connections: the database, uploads, health checks. */
const MIN_RESERVED_FILES = 256
/** Assumed if the limit is unlimited or unknown. */
const UNLIMITED_FILES = 1_048_576

/** How many connections a limit of open files allows. A tenth of the files, at least 256, is reserved. */
export function maxConnectionsFor(openFiles: number): number {
  return Math.max(64, openFiles - Math.max(MIN_RESERVED_FILES, Math.ceil(openFiles / 10)))
}

/** The limit of open files of this process. */
export function openFilesLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? UNLIMITED_FILES : Number(soft)
  } catch {
    // Only Linux has this file.
    return UNLIMITED_FILES
  }
}
