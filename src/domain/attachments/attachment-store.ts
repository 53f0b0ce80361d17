import type { Readable } from 'node:stream'
import type { ByteRange } from '../media/media-store.ts'

/** A file that is being written. */
export interface AttachmentFile {
  /** Writes bytes at a position. What was there is replaced. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves when everything written is durable. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Stores the files of attachments by id (a UUID). Several processes can share it. */
export interface AttachmentStore {
  /** The name of this process, unique among all that share the store. */
  readonly owner: string
  /** Whether the process of this name has certainly ended. */
  hasEnded(owner: string): boolean
  /** Opens a file for writing. It is created if it does not exist. */
  write(id: string): Promise<AttachmentFile>
  /** Reads a file, or a range of it; undefined if it does not exist. Destroying the stream closes the file. */
  read(id: string, range?: ByteRange): Promise<Readable | undefined>
  /** Deletes a file if it exists. */
  remove(id: string): Promise<void>
}
