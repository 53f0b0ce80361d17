import { fileTypeFromBuffer } from 'file-type'

/** What a file is to the reader of a room. */
export type MediaFormat = 'image' | 'audio' | 'video'

/** A kind of file that browsers play. */
export interface Container {
  /** What a file of this kind can be; the first is what it is taken for when nobody says. */
  formats: readonly [MediaFormat, ...MediaFormat[]]
  /** The second half of its content type; the first is the format. */
  subtype: string
  /** Bytes; a smaller file has not even its headers. */
  smallest: number
  /** Judges its beginning where the detection is content with less. */
  begins?: (head: Buffer) => boolean
}

/** Bytes from the start of a file that tell what it is. */
export const HEAD_BYTES = 4100

const VOICE_OR_FILM = ['audio', 'video'] as const
const FILM_OR_VOICE = ['video', 'audio'] as const

/** What may be sent, by the extension that the detection gives: no SVG, no HTML, nothing that a browser would run or cannot play. */
const CONTAINERS: Record<string, Container> = {
  png: { formats: ['image'], subtype: 'png', smallest: 67 },
  apng: { formats: ['image'], subtype: 'png', smallest: 67 },
  jpg: { formats: ['image'], subtype: 'jpeg', smallest: 107 },
  gif: { formats: ['image'], subtype: 'gif', smallest: 26, begins: hasGifVersion },
  webp: { formats: ['image'], subtype: 'webp', smallest: 26 },
  avif: { formats: ['image'], subtype: 'avif', smallest: 200 },
  mp3: { formats: ['audio'], subtype: 'mpeg', smallest: 24, begins: hasTagOrFrame },
  aac: { formats: ['audio'], subtype: 'aac', smallest: 24 },
  wav: { formats: ['audio'], subtype: 'wav', smallest: 44 },
  flac: { formats: ['audio'], subtype: 'flac', smallest: 42 },
  m4a: { formats: ['audio'], subtype: 'mp4', smallest: 100 },
  m4b: { formats: ['audio'], subtype: 'mp4', smallest: 100 },
  opus: { formats: VOICE_OR_FILM, subtype: 'ogg', smallest: 58 },
  ogg: { formats: VOICE_OR_FILM, subtype: 'ogg', smallest: 58 },
  oga: { formats: VOICE_OR_FILM, subtype: 'ogg', smallest: 58 },
  ogx: { formats: VOICE_OR_FILM, subtype: 'ogg', smallest: 58 },
  ogv: { formats: FILM_OR_VOICE, subtype: 'ogg', smallest: 58 },
  webm: { formats: FILM_OR_VOICE, subtype: 'webm', smallest: 100 },
  mp4: { formats: FILM_OR_VOICE, subtype: 'mp4', smallest: 100 },
  m4v: { formats: FILM_OR_VOICE, subtype: 'mp4', smallest: 100 },
  mov: {
    formats: ['video'],
    subtype: 'quicktime',
    smallest: 100,
    begins: hasAtom,
  },
}

const EXTENSIONS: Record<string, string> = {
  'image/jpeg': 'jpg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'video/quicktime': 'mov',
}

/** Says what a file is by its first bytes: `HEAD_BYTES` of them, or all there are. Undefined for what may not be sent. */
export async function detectContainer(head: Buffer): Promise<Container | undefined> {
  const extension = await detectExtension(head)
  const container = extension === undefined ? undefined : CONTAINERS[extension]
  if (!container || head.length < container.smallest) return undefined
  // The detection looks behind such beginnings, which no player of the other formats does.
  if (startsWith(head, '\xef\xbb\xbf')) return undefined
  if (startsWith(head, 'ID3') && (extension !== 'mp3' || isCutInTag(head))) return undefined
  return container.begins?.(head) === false ? undefined : container
}

/** The content type of a file of this kind. */
export function contentTypeOf({ subtype }: Container, format: MediaFormat): string {
  return `${format}/${subtype}`
}

/** A name for a stored file that every system can save it under. */
export function mediaFilename(media: { id: string; contentType: string }): string {
  return `${media.id}.${EXTENSIONS[media.contentType] ?? media.contentType.split('/')[1]}`
}

async function detectExtension(head: Buffer): Promise<string | undefined> {
  try {
    return (await fileTypeFromBuffer(head))?.ext
  } catch {
    // What its parsers stumble over is no file that could be shown.
    return undefined
  }
}

/** Whether the file ends before its ID3 tag does (ID3v2.4, section 3.1: four bytes of seven bits). */
function isCutInTag(head: Buffer): boolean {
  const tagBytes = [...head.subarray(6, 10)].reduce((size, byte) => size * 128 + (byte & 127), 0)
  return head.length < HEAD_BYTES && 10 + tagBytes >= head.length
}

function hasGifVersion(head: Buffer): boolean {
  return startsWith(head, 'GIF87a') || startsWith(head, 'GIF89a')
}

/** An ID3 tag, or the header of a frame whose bit rate is one (ISO 11172-3, section 2.4.2.3). */
function hasTagOrFrame(head: Buffer): boolean {
  const bitRate = head[2]! >> 4
  return startsWith(head, 'ID3') || (bitRate > 0 && bitRate < 15)
}

/** QuickTime files from before there was `ftyp` begin with any atom, whose size comes first: it is not small. */
function hasAtom(head: Buffer): boolean {
  return head.readUInt32BE(0) >= 8 || head.readUInt32BE(0) === 1
}

function startsWith(head: Buffer, text: string): boolean {
  return head.toString('latin1', 0, text.length) === text
}
