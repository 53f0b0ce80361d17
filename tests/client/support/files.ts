import { createHash } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Account } from '../../../src/client/account.ts'

/** The bytes 0, 1, … 250, 0, 1, … of a file from a position on. */
export function contentOf(size: number, start = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size - start }, (_, index) => (start + index) % 251)
}

/** A stream of such bytes, which are made when they are read. */
export function streamOf(size: number, hash = createHash('sha256')): ReadableStream<Uint8Array> {
  let position = 0
  return new ReadableStream(
    {
      pull(controller) {
        if (position >= size) return controller.close()
        const piece = contentOf(Math.min(position + 100_000, size), position)
        position += piece.length
        hash.update(piece)
        controller.enqueue(piece)
      },
    },
    { highWaterMark: 0 },
  )
}

/** The private conversation of two users, for each of them. */
export async function openChats(ann: Account, bob: Account) {
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.conversations.with(ann.user.id)
  return { hers, his }
}

/** Passes the responses to requests through a function, which may replace them. */
export function interceptFetch(
  replace: (
    request: { method: string; url: string; headers: Headers; body: unknown },
    send: (body?: Uint8Array<ArrayBuffer>) => Promise<Response>,
  ) => Promise<Response>,
): void {
  const original = globalThis.fetch
  globalThis.fetch = (input, init) => {
    const request = { method: init?.method ?? 'GET', url: String(input), headers: new Headers(init?.headers) }
    return replace({ ...request, body: init?.body }, (body) =>
      original(input, { ...init, ...(body && { body }) }),
    )
  }
  onTestFinished(() => {
    globalThis.fetch = original
  })
}
