import type { Readable } from 'node:stream'

/** A range of bytes, both ends included; the first byte of a file is 0. */
export interface ByteRange {
  start: number
  end: number
}

/**
 * Stores files by id (a nanoid of 21 characters, unique per file). A received file is then kept or discarded. After a crash,
 * `recover` decides about the files that are neither.
 */
export interface MediaStore {
  /** Writes a new file; durable when it resolves. If it or `bytes` throws, the file is deleted. */
  receive(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void>
  /** Moves a received file to its permanent location. */
  keep(id: string): Promise<void>
  /** Deletes a file that was received but not kept. */
  discard(id: string): Promise<void>
  /** Reads a kept or received file, or a range of it; undefined if it does not exist. Destroying the stream closes the file. */
  open(id: string, range?: ByteRange): Promise<Readable | undefined>
  /** Keeps the received files whose ids `known` returns, and deletes the others unless a running process may still keep them. */
  recover(known: (ids: string[]) => Promise<string[]>): Promise<void>
}
