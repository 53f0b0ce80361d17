import { describe, expect, it } from 'vitest'
import { encodeFrame } from '../../src/protocol/websocket-frame.ts'

describe('encodeFrame (RFC 6455, section 5.2)', () => {
  it('writes text with a length of 7, 16 or 64 bits, counted in bytes', () => {
    expect(encodeFrame('hé')).toEqual(Buffer.from([0x81, 3, 0x68, 0xc3, 0xa9]))
    expect(encodeFrame('x'.repeat(125)).subarray(0, 2)).toEqual(Buffer.from([0x81, 125]))
    expect(encodeFrame('x'.repeat(126)).subarray(0, 4)).toEqual(Buffer.from([0x81, 126, 0, 126]))
    expect(encodeFrame('x'.repeat(65_535)).subarray(0, 4)).toEqual(Buffer.from([0x81, 126, 0xff, 0xff]))
    const large = encodeFrame('x'.repeat(65_536))
    expect(large.subarray(0, 10)).toEqual(Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]))
    expect(large).toHaveLength(65_546)
  })

  it('writes bytes as a binary message', () => {
    expect(encodeFrame(new Uint8Array([1, 2]))).toEqual(Buffer.from([0x82, 2, 1, 2]))
  })
})
