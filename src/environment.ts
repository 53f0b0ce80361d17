import { BlockList, isIP } from 'node:net'

/** Thrown once, with one line for every variable that is wrong. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/** Takes typed values out of environment variables, and notes each that is wrong for `finish` to throw. */
export class EnvironmentReader {
  readonly #env: NodeJS.ProcessEnv
  readonly #problems: string[] = []

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  problem(name: string, what: string): void {
    this.#problems.push(`${name} ${what}.`)
  }

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
    this.problem(name, `must be a whole number from ${min} to ${max}`)
    return fallback
  }

  oneOf<const T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const text = this.text(name)
    if (text === undefined) return fallback
    if ((choices as readonly string[]).includes(text)) return text as T
    this.problem(name, `must be one of ${choices.join(', ')}`)
    return fallback
  }

  matching(name: string, pattern: RegExp, what: string, fallback: string): string {
    const text = this.text(name)
    if (text !== undefined && !pattern.test(text)) this.problem(name, `must be ${what}`)
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
    if (!origins.every(isOrigin)) this.problem(name, 'must be * or origins like https://chat.example.com')
    return origins.map((origin) => origin.replace(/\/$/, ''))
  }

  cidrs(name: string): string[] {
    const ranges = this.list(name)
    if (!ranges.every(isCidr)) this.problem(name, 'must be addresses or CIDRs like 10.0.0.0/8')
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
