import type { IncomingMessage } from 'node:http'

/** A request body that exceeds the limit. */
export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge'
}

/** Reads the body of a request. @throws BodyTooLarge, or the error of a request that the client did not complete. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new BodyTooLarge()
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) reject(new BodyTooLarge())
      else chunks.push(chunk)
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
  })
}
