const WAV_RATE = 8_000

/** A WAV file: a tone in 8-bit PCM. */
export function wav(seconds = 1): Buffer {
  const samples = Buffer.from(
    Array.from({ length: seconds * WAV_RATE }, (_, i) => 128 + Math.round(40 * Math.sin(i / 3))),
  )
  const header = Buffer.alloc(44)
  header.write('RIFF')
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(WAV_RATE, 24)
  header.writeUInt32LE(WAV_RATE, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

/** An MP3 file with silence: MPEG-1 layer III, 128 kbit/s, 44.1 kHz, with side information of zeros. */
export function mp3(seconds = 1): Buffer {
  const frame = Buffer.alloc(417)
  frame.set([0xff, 0xfb, 0x90, 0xc0])
  return Buffer.concat(Array(Math.ceil((seconds * 44_100) / 1_152)).fill(frame))
}

/** 20 ms of silence in Opus (RFC 6716). */
export const OPUS_SILENCE = Buffer.from('f8fffe', 'hex')

/** The Opus identification header: one channel (RFC 7845, section 5.1). */
export const OPUS_HEAD = Buffer.from('4f7075734865616401010000 80bb0000 0000 00'.replaceAll(' ', ''), 'hex')

/** An Ogg file with silence in Opus, one page per second. */
export function ogg(seconds = 1): Buffer {
  const tags = Buffer.from(`OpusTags\x06\0\0\0parley\0\0\0\0`, 'latin1')
  const pages = [page([OPUS_HEAD], { flags: 2, granule: 0, number: 0 })]
  pages.push(page([tags], { flags: 0, granule: 0, number: 1 }))
  for (let second = 1; second <= seconds; second++) {
    const flags = second === seconds ? 4 : 0
    pages.push(page(Array(50).fill(OPUS_SILENCE), { flags, granule: second * 48_000, number: second + 1 }))
  }
  return Buffer.concat(pages)
}

/** A page of packets shorter than 255 bytes (RFC 3533, section 6). */
function page(
  packets: Buffer[],
  { flags, granule, number }: { flags: number; granule: number; number: number },
): Buffer {
  const header = Buffer.alloc(27)
  header.write('OggS')
  header.writeUInt8(flags, 5)
  header.writeBigUInt64LE(BigInt(granule), 6)
  header.writeUInt32LE(1, 14)
  header.writeUInt32LE(number, 18)
  header.writeUInt8(packets.length, 26)
  const whole = Buffer.concat([header, Buffer.from(packets.map(({ length }) => length)), ...packets])
  whole.writeUInt32LE(oggChecksum(whole), 22)
  return whole
}

function oggChecksum(bytes: Buffer): number {
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << 24
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x80000000 ? (sum << 1) ^ 0x04c11db7 : sum << 1
  }
  return sum >>> 0
}
