import { OutgoingBroadcast } from '../outgoing-broadcast.ts'

/** A broadcast with metadata that only the nodes read, such as its position in a stream. */
export interface Envelope<Metadata> {
  metadata: Metadata
  broadcast: OutgoingBroadcast
}

const LENGTH_BYTES = 2

/** Encodes an envelope as the length of the metadata (two bytes), the metadata as JSON, and the broadcast's frame. */
export function encodeEnvelope<Metadata>({ metadata, broadcast }: Envelope<Metadata>): Buffer {
  const head = Buffer.from(JSON.stringify(metadata))
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt16BE(head.length)
  return Buffer.concat([length, head, broadcast.frameForNodes])
}

export function decodeEnvelope<Metadata>(message: Buffer): Envelope<Metadata> {
  const end = LENGTH_BYTES + message.readUInt16BE()
  const metadata = JSON.parse(message.toString('utf8', LENGTH_BYTES, end))
  return { metadata, broadcast: OutgoingBroadcast.received(message.subarray(end)) }
}
