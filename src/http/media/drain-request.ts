import type { FastifyRequest } from 'fastify'

/** Discards the rest of a request, so that its client reads the response. Closes the connection after `maxBytes`. */
export function drainRequest({ raw }: FastifyRequest, maxBytes: number): void {
  let received = 0
  raw.unpipe()
  raw.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > maxBytes) raw.destroy()
  })
  raw.resume()
}
