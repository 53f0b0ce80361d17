import { OutgoingBroadcast } from './pubsub.ts'

/** A broadcast with its place in a stream, as it crosses to other nodes: what is said of it precedes its frame. */
export interface Parcel<Label> {
  label: Label
  broadcast: OutgoingBroadcast
}

const LENGTH_BYTES = 2

/** The length of the label (two bytes), the label in JSON, and the frame. */
export function packParcel<Label>({ label, broadcast }: Parcel<Label>): Buffer {
  const head = Buffer.from(JSON.stringify(label))
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt16BE(head.length)
  return Buffer.concat([length, head, broadcast.frameForNodes])
}

export function unpackParcel<Label>(message: Buffer): Parcel<Label> {
  const end = LENGTH_BYTES + message.readUInt16BE()
  const label = JSON.parse(message.toString('utf8', LENGTH_BYTES, end))
  return { label, broadcast: OutgoingBroadcast.received(message.subarray(end)) }
}
