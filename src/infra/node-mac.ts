import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

/** Who sent a message: this node, another node, a node of the previous version, or somebody else. */
export type Sender = 'own' | 'node' | 'unsigned' | 'forged'

/** Size of the header. */
export const HEADER_BYTES = 12
const TAG_BYTES = 4

/** Set in the first byte of a tag. The previous version sends the node id in ASCII instead. */
const SIGNED = 0x80

/**
 * Creates and verifies the header of messages between nodes: a tag that identifies the sender, and a MAC (HMAC-SHA-256 over the
 * tag, the channel and the message, truncated to 64 bits). The previous version skips a header of 12 bytes, so the header cannot
 * be longer while nodes of both versions run.
 *
 * The MAC does not prevent replays.
 */
export class NodeMac {
  readonly #key: KeyObject
  readonly #tag = randomBytes(TAG_BYTES)

  constructor(key: Buffer) {
    this.#key = createSecretKey(key)
    this.#tag[0] = (this.#tag[0] ?? 0) | SIGNED
  }

  header(channel: string, message: Uint8Array): Buffer {
    return Buffer.concat([this.#tag, this.#mac(this.#tag, channel, message)])
  }

  senderOf(header: Uint8Array, channel: string, message: Uint8Array): Sender {
    if (header.length < HEADER_BYTES) return 'forged'
    if (!((header[0] ?? 0) & SIGNED)) return 'unsigned'
    const tag = header.subarray(0, TAG_BYTES)
    if (this.#tag.equals(tag)) return 'own'
    const isValid = timingSafeEqual(this.#mac(tag, channel, message), header.subarray(TAG_BYTES))
    return isValid ? 'node' : 'forged'
  }

  #mac(tag: Uint8Array, channel: string, message: Uint8Array): Buffer {
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(channel.length)
    const hmac = createHmac('sha256', this.#key).update(tag).update(length).update(channel).update(message)
    return hmac.digest().subarray(0, HEADER_BYTES - TAG_BYTES)
  }
}
