import { Writable } from 'node:stream'
import pino, { type Logger } from 'pino'
import { logSerializers, redactedPaths } from '../../src/http/logging.ts'

/** Creates a logger that records its lines. */
export function recordingLogger(): { logger: Logger; lines: Record<string, unknown>[]; text(): string } {
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
  const logger = pino({ level: 'debug', serializers: logSerializers, redact: redactedPaths }, stream)
  return { logger, lines, text: () => JSON.stringify(lines) }
}

/** The lines of the security log of one kind. */
export function securityLines(lines: readonly Record<string, unknown>[], kind: string) {
  return lines.filter(({ security }) => security === kind)
}
