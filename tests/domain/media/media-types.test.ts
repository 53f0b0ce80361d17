import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  contentTypeOf,
  detectContainer,
  HEAD_BYTES,
  mediaFilename,
} from '../../../src/domain/media/media-types.ts'
import { avif, gif, jpeg, mp3, mp4, ogg, png, voice, wav, webm, webp } from '../../support/media.ts'
import { rounds } from '../../support/stress.ts'

const FILES: [name: string, bytes: Buffer, contentTypes: string[]][] = [
  ['PNG', png(), ['image/png']],
  ['animated PNG', animated(png()), ['image/png']],
  ['GIF', gif(), ['image/gif']],
  ['JPEG', jpeg(), ['image/jpeg']],
  ['WebP', webp(), ['image/webp']],
  ['AVIF', avif(), ['image/avif']],
  ['WAV', wav(), ['audio/wav']],
  ['MP3', mp3(), ['audio/mpeg']],
  ['MP3 with a tag', Buffer.concat([id3(40), mp3()]), ['audio/mpeg']],
  ['MP3 with a cover', Buffer.concat([id3(90_000), mp3()]), ['audio/mpeg']],
  ['FLAC', padded('664c6143 00000022 1000 1000', 60), ['audio/flac']],
  ['AAC', padded('fff15080 021ffc', 60), ['audio/aac']],
  ['M4A', branded('M4A '), ['audio/mp4']],
  ['Ogg', ogg(), ['audio/ogg', 'video/ogg']],
  ['Ogg with Theora', theora(), ['video/ogg', 'audio/ogg']],
  ['WebM', webm(), ['video/webm', 'audio/webm']],
  ['WebM without pictures', voice(), ['video/webm', 'audio/webm']],
  ['MP4', mp4(), ['video/mp4', 'audio/mp4']],
  ['M4V', branded('M4V '), ['video/mp4', 'audio/mp4']],
  ['QuickTime', branded('qt  '), ['video/quicktime']],
  ['QuickTime of old', padded('0000006c 6d6f6f76', 200), ['video/quicktime']],
]

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
const HTML = '<!doctype html><script>alert(1)</script>'

const REFUSED: [name: string, bytes: Buffer | string][] = [
  ['SVG', SVG],
  ['SVG with a declaration', `<?xml version="1.0"?>${SVG}`],
  ['SVG in UTF-16', Buffer.from(`\ufeff${SVG}`, 'utf16le')],
  ['SVG, zipped', Buffer.from('1f8b0800000000000003b329484c2bb1030022f4b0f50a000000', 'hex')],
  ['HTML', HTML],
  ['HTML behind a byte order mark', `\ufeff${HTML}`],
  ['a script', 'alert(1)//'.repeat(20)],
  ['plain text', 'BMW, GIF and ID3 are three words. '.repeat(20)],
  ['PDF', `%PDF-1.7\n${'x'.repeat(500)}`],
  ['a zip', padded('504b0304', 300)],
  ['a program', padded('7f454c46', 300)],
  ['BMP', padded('424d', 300)],
  ['TIFF', padded('49492a00 08000000', 300)],
  ['HEIC, which few browsers show', branded('heic')],
  ['AVI', Buffer.concat([Buffer.from('RIFF\x90\0\0\0AVI LIST'), Buffer.alloc(300)])],
  ['Matroska', padded('1a45dfa3 8b 4282 88 6d6174726f736b61', 300)],
  ['Flash', padded('43575307', 300)],
  ['zeros', Buffer.alloc(5_000)],
  ['a PNG behind a byte order mark', Buffer.concat([Buffer.from('\ufeff'), png()])],
  ['a PNG behind an MP3 tag', Buffer.concat([id3(40), png()])],
  ['an MP3 tag alone', id3(100)],
  ['an MP3 tag cut short', id3(1_000).subarray(0, 500)],
  ['an MP3 tag before text', Buffer.concat([id3(40), Buffer.from(HTML.repeat(10))])],
  ['GIF of no version', `GIF${HTML.repeat(3)}`],
  ['an MP3 frame of no bit rate', padded('fffbf000', 500)],
]

describe('detects the content type of', () => {
  it.each(FILES)('%s', async (_name, bytes, contentTypes) => {
    const container = await detectContainer(bytes.subarray(0, HEAD_BYTES))
    expect(container?.formats.map((format) => contentTypeOf(container, format))).toEqual(contentTypes)
  })
})

describe('rejects', () => {
  it.each(REFUSED)('%s', async (_name, bytes) => {
    expect(await detectContainer(Buffer.from(bytes).subarray(0, HEAD_BYTES))).toBeUndefined()
  })

  it.each(FILES)('a %s file without its whole header', async (_name, bytes) => {
    for (const length of [0, 1, 2, 4, 8, 12, 20])
      expect(await detectContainer(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined()
  })
})

describe('the format detection', () => {
  it('never throws, whatever the bytes are', async () => {
    const start = fc.constantFrom(
      ...FILES.map(([, bytes]) => bytes.subarray(0, 64)),
      Buffer.from('PK\x03\x04'),
    )
    await fc.assert(
      fc.asyncProperty(start, fc.nat(64), fc.uint8Array({ maxLength: 600 }), async (head, cut, rest) => {
        const container = await detectContainer(Buffer.concat([head.subarray(0, cut), rest]))
        expect(container === undefined || container.formats.length > 0).toBe(true)
      }),
      { numRuns: rounds(300, 2_000) },
    )
  })

  it('reads only the given bytes', async () => {
    const bomb = Buffer.concat([
      Buffer.from('1f8b0800000000000003', 'hex'),
      Buffer.alloc(HEAD_BYTES - 10, 0xaa),
    ])
    expect(await detectContainer(bomb)).toBeUndefined()
  })
})

describe('the file name', () => {
  it.each([
    ['image/jpeg', 'jpg'],
    ['image/png', 'png'],
    ['audio/mpeg', 'mp3'],
    ['audio/mp4', 'm4a'],
    ['video/mp4', 'mp4'],
    ['video/quicktime', 'mov'],
    ['audio/webm', 'webm'],
  ])('of %s ends in .%s', (contentType, extension) => {
    expect(mediaFilename({ id: 'V1StGXR8_Z5jdHi6B-myT', contentType })).toBe(
      `V1StGXR8_Z5jdHi6B-myT.${extension}`,
    )
  })
})

function padded(hex: string, length: number): Buffer {
  const start = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return Buffer.concat([start, Buffer.alloc(length - start.length)])
}

/** The start of an MP4 file of one brand. */
function branded(brand: string): Buffer {
  return Buffer.concat([
    Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\x02\0${brand}mp42`, 'latin1'),
    mp4().subarray(32),
  ])
}

/** An ID3v2.4 tag of so many bytes. */
function id3(bytes: number): Buffer {
  const size = [bytes >> 21, bytes >> 14, bytes >> 7, bytes].map((seven) => seven & 127)
  return Buffer.concat([Buffer.from('ID3\x04\0\0'), Buffer.from(size), Buffer.alloc(bytes)])
}

function theora(): Buffer {
  return Buffer.from(ogg().toString('latin1').replace('OpusHead', '\x80theora\x03'), 'latin1')
}

/** Says before the picture that there are more. */
function animated(still: Buffer): Buffer {
  const control = padded('00000008 6163544c 00000001 00000000 00000000', 20)
  return Buffer.concat([still.subarray(0, 33), control, still.subarray(33)])
}
