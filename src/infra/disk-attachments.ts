import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { AttachmentFile, AttachmentStore } from '../domain/attachments/attachment-store.ts'
import type { ByteRange } from '../domain/media/media-store.ts'
import { syncFolder } from '../sync-folder.ts'
import { unlessGone } from './files.ts'
import { ProcessOwner } from './process-owner.ts'

/** A UUID in lower case. Nothing else may become part of a path. */
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

type Owner = Pick<ProcessOwner, 'name' | 'hasEnded'>

/** Stores attachments in a folder, as `<last two digits of the id>/<id>`. Several processes can share it. */
export class DiskAttachments implements AttachmentStore {
  readonly #dir: string
  readonly #owner: Owner

  /** @param dir is created when needed. */
  constructor(dir: string, owner: Owner = new ProcessOwner()) {
    this.#dir = dir
    this.#owner = owner
  }

  get owner(): string {
    return this.#owner.name
  }

  hasEnded(owner: string): boolean {
    return this.#owner.hasEnded(owner)
  }

  async write(id: string): Promise<AttachmentFile> {
    const path = this.#path(id)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, constants.O_CREAT | constants.O_WRONLY, 0o600)
    try {
      await syncFolder(dirname(path))
    } catch (error) {
      await file.close()
      throw error
    }
    return {
      write: (bytes, position) => writeFully(file, bytes, position),
      sync: () => file.datasync(),
      close: () => file.close(),
    }
  }

  async read(id: string, range?: ByteRange): Promise<Readable | undefined> {
    const file = await unlessGone(open(this.#path(id)))
    return file?.createReadStream(range)
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true })
  }

  #path(id: string): string {
    if (!ID.test(id)) throw new Error('Not an id of an attachment')
    return join(this.#dir, id.slice(-2), id)
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
