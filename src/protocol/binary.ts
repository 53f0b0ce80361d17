import { type Broadcast, type ClientMessage, MalformedFrame, type Push, type Reply } from './messages.ts'

/*
 * Binary frames of version 2. The first byte is the kind, then one length byte per string, the strings, and the data
 * to the end of the frame:
 *
 *   push in    0 · join_ref, ref, topic, event
 *   push out   0 · join_ref, topic, event
 *   reply      1 · join_ref, ref, topic, status
 *   broadcast  2 · topic, event
 */
const PUSH = 0
const REPLY = 1
const BROADCAST = 2

/** Decodes a client's binary push. An empty ref is null. @throws MalformedFrame */
export function decodeBinaryPush(frame: Uint8Array): ClientMessage {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (bytes.length < 5 || bytes[0] !== PUSH) throw new MalformedFrame('not a binary push')
  let offset = 5
  const [joinRef, ref, topic, event] = [1, 2, 3, 4].map((field) => {
    const start = offset
    offset += bytes[field]!
    return bytes.toString('utf8', start, offset)
  }) as [string, string, string, string]
  if (offset > bytes.length) throw new MalformedFrame('truncated binary push')
  return { joinRef: joinRef || null, ref: ref || null, topic, event, payload: bytes.subarray(offset) }
}

export function encodeBinaryPush({ joinRef, topic, event }: Push, data: Uint8Array): Uint8Array {
  return encode(PUSH, [String(joinRef ?? ''), topic, event], data)
}

export function encodeBinaryReply({ joinRef, ref, topic, status }: Reply, data: Uint8Array): Uint8Array {
  return encode(REPLY, [String(joinRef ?? ''), String(ref ?? ''), topic, status], data)
}

export function encodeBinaryBroadcast({ topic, event }: Broadcast, data: Uint8Array): Uint8Array {
  return encode(BROADCAST, [topic, event], data)
}

/** Decodes the result of `encodeBinaryBroadcast`. */
export function decodeBinaryBroadcast(bytes: Buffer): Broadcast {
  const topicEnd = 3 + bytes[1]!
  const eventEnd = topicEnd + bytes[2]!
  return {
    topic: bytes.toString('utf8', 3, topicEnd),
    event: bytes.toString('utf8', topicEnd, eventEnd),
    payload: bytes.subarray(eventEnd),
  }
}

/** @throws RangeError for a string of more than 255 bytes, the limit of a length byte. */
function encode(kind: number, strings: string[], data: Uint8Array): Uint8Array {
  const encoded = strings.map((text) => Buffer.from(text))
  const tooLong = encoded.find((text) => text.length > 255)
  if (tooLong) throw new RangeError('A ref, topic or event of a binary frame is longer than 255 bytes')
  return Buffer.concat([Buffer.from([kind, ...encoded.map((text) => text.length)]), ...encoded, data])
}
