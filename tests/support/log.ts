import { Writable } from 'node:stream'
import pino, { type Logger } from 'pino'
import { logSerializers, redactedPaths } from '../../src/http/logging.ts'

/** A logger whose lines a test can read. */
export function recordingLogger(): { logger: Logger; lines: Record<string, unknown>[]; text(): string } {
  const lines: Record<string, unknown>[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
  const logger = pino({ level: 'debug', serializers: logSerializers, redact: redactedPaths }, sink)
  return { logger, lines, text: () => JSON.stringify(lines) }
}
