const TEXT = 0x81
const BINARY = 0x82

/** Encodes a message as one unmasked WebSocket frame (RFC 6455, section 5.2), which can be written to any number of sockets. */
export function encodeFrame(message: string | Uint8Array): Buffer {
  const isText = typeof message === 'string'
  const length = isText ? Buffer.byteLength(message) : message.byteLength
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = isText ? TEXT : BINARY
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    frame.writeUInt32BE(length % 2 ** 32, 6)
  }
  if (isText) frame.write(message, header)
  else frame.set(message, header)
  return frame
}

/** The message in a frame made by `encodeFrame`. */
export function messageOf(frame: Buffer): Buffer {
  const length = frame[1]!
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10)
}
