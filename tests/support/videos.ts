import { OPUS_HEAD, OPUS_SILENCE } from './audio.ts'

const SIDE = 16
const FRAMES_PER_SECOND = 25

/** A red VP8 key frame, 16 by 16 pixels. */
const VP8_FRAME = Buffer.from(
  'sAIAnQEqEAAQAAAHCIWFiJmEiAEkEBOtUB/AEGfv2P79PgL/2d36d36d3+Bj/+57v7nu/ue7/7mcAA==',
  'base64',
)
const H264_FRAME = Buffer.from('AAAAGWW4AAQAAAn///giigACAX44AAgBxwABB2w=', 'base64')
const H264_CONFIGURATION = Buffer.from('AULACv/hABBnQsAKjI1OTcBDQEHhEI1AAQAEaM48gA==', 'base64')

/** A WebM file with red VP8 video. */
export function webm(seconds = 1): Buffer {
  const videoSettings = element('e0', element('b0', [SIDE]), element('ba', [SIDE]))
  const track = element('ae', NUMBERS, element('83', [1]), element('86', 'V_VP8'), videoSettings)
  return webmOf(track, { seconds, block: VP8_FRAME, perSecond: FRAMES_PER_SECOND })
}

/** A WebM file with silence in Opus, as browsers record audio. */
export function voice(seconds = 1): Buffer {
  const audioSettings = element('e1', element('b5', float(48_000)), element('9f', [1]))
  const codec = Buffer.concat([element('86', 'A_OPUS'), element('63a2', OPUS_HEAD)])
  const track = element('ae', NUMBERS, element('83', [2]), codec, audioSettings)
  return webmOf(track, { seconds, block: OPUS_SILENCE, perSecond: 50 })
}

/** An MP4 file with red H.264 video. @param padding the number of additional bytes. */
export function mp4(seconds = 1, { padding = 0 } = {}): Buffer {
  const frames = seconds * FRAMES_PER_SECOND
  const file = box('ftyp', 'isom', words(512), 'isomiso2avc1mp41')
  const free = padding ? [box('free', Buffer.alloc(padding))] : []
  const data = box('mdat', ...Array<Buffer>(frames).fill(H264_FRAME))
  const offset = file.length + movie(frames, 0).length + free.reduce((sum, { length }) => sum + length, 0) + 8
  return Buffer.concat([file, movie(frames, offset), ...free, data])
}

type Content = string | Buffer | number[]

/** An EBML element (RFC 8794): its id in hexadecimal, its size in four bytes. */
function element(id: string, ...content: Content[]): Buffer {
  const body = bytes(content)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(0x10000000 + body.length)
  return Buffer.concat([Buffer.from(id, 'hex'), size, body])
}

const NUMBERS = Buffer.concat([element('d7', [1]), element('73c5', [1])])

function webmOf(
  track: Buffer,
  { seconds, block, perSecond }: { seconds: number; block: Buffer; perSecond: number },
): Buffer {
  const versions = ['4286', '42f7'].map((id) => element(id, [1]))
  const limits = [element('42f2', [4]), element('42f3', [8])]
  const type = [element('4282', 'webm'), element('4287', [2]), element('4285', [2])]
  const scale = element('2ad7b1', [0x0f, 0x42, 0x40])
  const info = element(
    '1549a966',
    scale,
    element('4489', float(seconds * 1_000)),
    element('4d80', 'parley'),
    element('5741', 'parley'),
  )
  const clusters = Array.from({ length: seconds }, (_, second) => {
    const start = Buffer.alloc(4)
    start.writeUInt32BE(second * 1_000)
    const blocks = Array.from({ length: perSecond }, (_, index) => {
      const at = Buffer.alloc(2)
      at.writeInt16BE((index * 1_000) / perSecond)
      return element('a3', [0x81], at, [0x80], block)
    })
    return element('1f43b675', element('e7', start), ...blocks)
  })
  return Buffer.concat([
    element('1a45dfa3', ...versions, ...limits, ...type),
    element('18538067', info, element('1654ae6b', track), ...clusters),
  ])
}

function float(value: number): Buffer {
  const double = Buffer.alloc(8)
  double.writeDoubleBE(value)
  return double
}

/** A box (ISO/IEC 14496-12, section 4.2). */
function box(type: string, ...content: Content[]): Buffer {
  const body = bytes([type, ...content])
  return Buffer.concat([words(body.length + 4), body])
}

function words(...values: number[]): Buffer {
  const result = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) result.writeUInt32BE(value, index * 4)
  return result
}

/** The `moov` box of a video. All frames are key frames and stored consecutively from `offset`. */
function movie(frames: number, offset: number): Buffer {
  const TICKS = 1_000
  const duration = (frames * TICKS) / FRAMES_PER_SECOND
  const matrix = words(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
  const codec = box(
    'avc1',
    [0, 0, 0, 0, 0, 0, 0, 1],
    Buffer.alloc(16),
    [0, SIDE, 0, SIDE],
    words(0x480000, 0x480000, 0),
    [0, 1],
    Buffer.alloc(32),
    [0, 24, 0xff, 0xff],
    box('avcC', H264_CONFIGURATION),
  )
  const samples = box(
    'stbl',
    box('stsd', words(0, 1), codec),
    box('stts', words(0, 1, frames, TICKS / FRAMES_PER_SECOND)),
    box('stsc', words(0, 1, 1, frames, 1)),
    box('stsz', words(0, H264_FRAME.length, frames)),
    box('stco', words(0, 1, offset)),
  )
  const source = box('dinf', box('dref', words(0, 1), box('url ', words(1))))
  const media = box(
    'mdia',
    box('mdhd', words(0, 0, 0, TICKS, duration, 0x55c40000)),
    box('hdlr', words(0, 0), 'vide', words(0, 0, 0), 'video\0'),
    box('minf', box('vmhd', words(1, 0, 0)), source, samples),
  )
  const header = box(
    'tkhd',
    words(3, 0, 0, 1, 0, duration, 0, 0, 0, 0),
    matrix,
    words(SIDE << 16, SIDE << 16),
  )
  return box(
    'moov',
    box(
      'mvhd',
      words(0, 0, 0, TICKS, duration, 0x10000, 0x1000000, 0, 0),
      matrix,
      Buffer.alloc(24),
      words(2),
    ),
    box('trak', header, media),
  )
}

function bytes(content: Content[]): Buffer {
  return Buffer.concat(
    content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  )
}
