import { fileTypeFromBuffer } from 'file-type'
import { MEDIA_FORMATS, type MediaFormat } from '../../media-formats.ts'

export { MEDIA_FORMATS, type MediaFormat } from '../../media-formats.ts'

/** A container format that browsers play. */
export interface Container {
  /** The media formats it may hold; the first is the default. */
  formats: readonly [MediaFormat, ...MediaFormat[]]
  /** The subtype of its content type. The type is the media format. */
  subtype: string
  /** Bytes; a smaller file has incomplete headers. */
  minBytes: number
  /** Checks the header more strictly than the detection library. */
  isValidHeader?: (head: Buffer) => boolean
}

/** Bytes at the start of a file that are needed to detect its format. */
export const HEAD_BYTES = 4100

const AUDIO_OR_VIDEO = ['audio', 'video'] as const
const VIDEO_OR_AUDIO = ['video', 'audio'] as const

/** Accepted containers, by the extension that the library detects. SVG, HTML and everything else that may run scripts is left out. */
const CONTAINERS: Record<string, Container> = {
  png: { formats: ['image'], subtype: 'png', minBytes: 67 },
  apng: { formats: ['image'], subtype: 'png', minBytes: 67 },
  jpg: { formats: ['image'], subtype: 'jpeg', minBytes: 107 },
  gif: { formats: ['image'], subtype: 'gif', minBytes: 26, isValidHeader: hasGifVersion },
  webp: { formats: ['image'], subtype: 'webp', minBytes: 26 },
  avif: { formats: ['image'], subtype: 'avif', minBytes: 200 },
  mp3: { formats: ['audio'], subtype: 'mpeg', minBytes: 24, isValidHeader: hasTagOrFrame },
  aac: { formats: ['audio'], subtype: 'aac', minBytes: 24 },
  wav: { formats: ['audio'], subtype: 'wav', minBytes: 44 },
  flac: { formats: ['audio'], subtype: 'flac', minBytes: 42 },
  m4a: { formats: ['audio'], subtype: 'mp4', minBytes: 100 },
  m4b: { formats: ['audio'], subtype: 'mp4', minBytes: 100 },
  opus: { formats: AUDIO_OR_VIDEO, subtype: 'ogg', minBytes: 58 },
  ogg: { formats: AUDIO_OR_VIDEO, subtype: 'ogg', minBytes: 58 },
  oga: { formats: AUDIO_OR_VIDEO, subtype: 'ogg', minBytes: 58 },
  ogx: { formats: AUDIO_OR_VIDEO, subtype: 'ogg', minBytes: 58 },
  ogv: { formats: VIDEO_OR_AUDIO, subtype: 'ogg', minBytes: 58 },
  webm: { formats: VIDEO_OR_AUDIO, subtype: 'webm', minBytes: 100 },
  mp4: { formats: VIDEO_OR_AUDIO, subtype: 'mp4', minBytes: 100 },
  m4v: { formats: VIDEO_OR_AUDIO, subtype: 'mp4', minBytes: 100 },
  mov: {
    formats: ['video'],
    subtype: 'quicktime',
    minBytes: 100,
    isValidHeader: hasAtom,
  },
}

const EXTENSIONS: Record<string, string> = {
  'image/jpeg': 'jpg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'video/quicktime': 'mov',
}

export function isMediaFormat(value: unknown): value is MediaFormat {
  return (MEDIA_FORMATS as readonly unknown[]).includes(value)
}

/** Detects the container of a file from its first `HEAD_BYTES`, or from all bytes of a shorter file. Undefined if it is not accepted. */
export async function detectContainer(head: Buffer): Promise<Container | undefined> {
  const extension = await detectExtension(head)
  const container = extension === undefined ? undefined : CONTAINERS[extension]
  if (!container || head.length < container.minBytes) return undefined
  // The library skips these prefixes; players of the other formats do not.
  if (startsWith(head, '\xef\xbb\xbf')) return undefined
  if (startsWith(head, 'ID3') && (extension !== 'mp3' || isCutInTag(head))) return undefined
  return container.isValidHeader?.(head) === false ? undefined : container
}

/** The content type of a file in this container. */
export function contentTypeOf({ subtype }: Container, format: MediaFormat): string {
  return `${format}/${subtype}`
}

/** A file name that every operating system accepts. */
export function mediaFilename(media: { id: string; contentType: string }): string {
  return `${media.id}.${EXTENSIONS[media.contentType] ?? media.contentType.split('/')[1]}`
}

async function detectExtension(head: Buffer): Promise<string | undefined> {
  try {
    return (await fileTypeFromBuffer(head))?.ext
  } catch {
    // The library throws on some malformed files, which no browser can show.
    return undefined
  }
}

/** Whether the file ends within its ID3 tag (ID3v2.4, section 3.1: the size is four bytes of seven bits). */
function isCutInTag(head: Buffer): boolean {
  const tagBytes = [...head.subarray(6, 10)].reduce((size, byte) => size * 128 + (byte & 127), 0)
  return head.length < HEAD_BYTES && 10 + tagBytes >= head.length
}

function hasGifVersion(head: Buffer): boolean {
  return startsWith(head, 'GIF87a') || startsWith(head, 'GIF89a')
}

/** Whether the file begins with an ID3 tag, or with a frame header that has a valid bit rate (ISO 11172-3, section 2.4.2.3). */
function hasTagOrFrame(head: Buffer): boolean {
  const bitRate = head[2]! >> 4
  return startsWith(head, 'ID3') || (bitRate > 0 && bitRate < 15)
}

/** Whether the file begins with a valid atom: old QuickTime files have no `ftyp`. The size of an atom is at least 8, or 1 for a 64-bit size. */
function hasAtom(head: Buffer): boolean {
  return head.readUInt32BE(0) >= 8 || head.readUInt32BE(0) === 1
}

function startsWith(head: Buffer, text: string): boolean {
  return head.toString('latin1', 0, text.length) === text
}
