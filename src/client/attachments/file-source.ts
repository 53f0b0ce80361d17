import { cleanFileName, cleanMediaType } from '../encryption/file-name.ts'
import type { ByteSource } from '../encryption/file-stream.ts'
import { ParleyError } from '../errors.ts'

/** What a file to be sent can be: a `File` or `Blob`, or bytes with a name. */
export type FileSource = Blob | NamedContent

/** Bytes with a name. */
export interface NamedContent {
  name: string
  /** The media type. Default: that of the `Blob`, otherwise `application/octet-stream`. */
  type?: string
  content: Blob | Uint8Array | ByteSource
  /** The number of bytes; required if `content` is neither a `Blob` nor a `Uint8Array`. */
  size?: number
}

/** A file that is read from a position on. */
export interface ReadableFile {
  name: string
  type: string
  size: number
  /** @throws ParleyError `source_not_repeatable` if that is not possible again. */
  open(position: number): ByteSource
}

/** Bytes in a `Uint8Array` are read in pieces of this size. */
const SLICE_SIZE = 1_048_576

/** Prepares a file for reading. @throws ParleyError `size_required` */
export function readableFile(source: FileSource): ReadableFile {
  const { name, type, content, size } = source instanceof Blob ? namedBlob(source) : source
  const blobType = content instanceof Blob ? content.type : ''
  const file = { name: cleanFileName(name), type: cleanMediaType(type ?? blobType) }
  if (content instanceof Blob) {
    return { ...file, size: content.size, open: (position) => content.slice(position).stream() }
  }
  if (content instanceof Uint8Array) {
    return { ...file, size: content.length, open: (position) => slicesOf(content, position) }
  }
  if (size === undefined) {
    throw new ParleyError({ code: 'size_required', message: 'The size of the stream must be known.' })
  }
  return { ...file, size, open: onlyOnce(content) }
}

function namedBlob(blob: Blob): NamedContent {
  // Node 20 has no global `File` in all its versions.
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'file'
  return { name, type: blob.type, content: blob }
}

async function* slicesOf(bytes: Uint8Array, position: number): AsyncGenerator<Uint8Array, void> {
  for (let start = position; start < bytes.length; start += SLICE_SIZE) {
    yield bytes.subarray(start, start + SLICE_SIZE)
  }
}

function onlyOnce(content: ByteSource): (position: number) => ByteSource {
  let isOpened = false
  return () => {
    if (isOpened) {
      throw new ParleyError({
        code: 'source_not_repeatable',
        message: 'The server has lost a part of the file, and a stream cannot be read again.',
      })
    }
    isOpened = true
    return content
  }
}
