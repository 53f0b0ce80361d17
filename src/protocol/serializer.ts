import {
  decodeBinaryBroadcast,
  decodeBinaryPush,
  encodeBinaryBroadcast,
  encodeBinaryPush,
  encodeBinaryReply,
} from './binary.ts'
import {
  type Broadcast,
  type ClientMessage,
  EncodedJson,
  MalformedFrame,
  type Push,
  type Ref,
  type Reply,
} from './messages.ts'

/** One version of the Phoenix wire format. Text frames are strings, binary frames bytes. */
export interface Serializer {
  /** @throws MalformedFrame */
  decode(frame: string | Uint8Array): ClientMessage
  encodeReply(reply: Reply): string | Uint8Array
  encodePush(push: Push): string | Uint8Array
  encodeBroadcast(broadcast: Broadcast): string | Uint8Array
}

/** Version 2: arrays `[join_ref, ref, topic, event, payload]`, and binary frames for binary payloads. */
export const v2: Serializer = {
  decode(frame) {
    if (typeof frame !== 'string') return decodeBinaryPush(frame)
    const fields = parse(frame)
    if (!Array.isArray(fields) || fields.length < 5) throw new MalformedFrame('not an array of five')
    const [joinRef, ref, topic, event, payload] = fields
    return checked(joinRef, ref, topic, event, payload)
  },
  encodeReply(reply) {
    const { joinRef, ref, topic, status, response } = reply
    if (response instanceof Uint8Array) return encodeBinaryReply(reply, response)
    return JSON.stringify([joinRef, ref, topic, 'phx_reply', { status, response }])
  },
  encodePush(push) {
    if (push.payload instanceof Uint8Array) return encodeBinaryPush(push, push.payload)
    if (push.payload instanceof EncodedJson) {
      const head = JSON.stringify([push.joinRef, push.ref, push.topic, push.event])
      return `${head.slice(0, -1)},${push.payload.text}]`
    }
    return JSON.stringify([push.joinRef, push.ref, push.topic, push.event, push.payload])
  },
  encodeBroadcast(broadcast) {
    if (broadcast.payload instanceof Uint8Array) return encodeBinaryBroadcast(broadcast, broadcast.payload)
    return JSON.stringify([null, null, broadcast.topic, broadcast.event, broadcast.payload])
  },
}

/** Reads a broadcast back from what `v2.encodeBroadcast` made of it: a binary message, or the bytes of a text. */
export function decodeBroadcast(message: Buffer): Broadcast {
  // A text is an array.
  if (message[0] !== 0x5b) return decodeBinaryBroadcast(message)
  const [, , topic, event, payload] = JSON.parse(message.toString())
  return { topic, event, payload }
}

/** Version 1: objects of `topic, event, payload, ref`. It has no binary frames. */
export const v1: Serializer = {
  decode(frame) {
    if (typeof frame !== 'string') throw new MalformedFrame('version 1 has no binary frames')
    const fields = parse(frame)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      throw new MalformedFrame('not an object')
    }
    const { ref = null, topic, event, payload } = fields as Record<string, unknown>
    if (payload === undefined) throw new MalformedFrame('without a payload')
    // Joins are known by their ref here; everything else cannot say which join it belongs to.
    return checked(event === 'phx_join' ? ref : null, ref, topic, event, payload)
  },
  encodeReply: ({ ref, topic, status, response }) =>
    JSON.stringify({ topic, event: 'phx_reply', payload: { status, response: jsonOf(response) }, ref }),
  encodePush({ ref, topic, event, payload }) {
    if (payload instanceof EncodedJson) {
      const head = JSON.stringify({ topic, event, ref })
      return `${head.slice(0, -1)},"payload":${payload.text}}`
    }
    return JSON.stringify({ topic, event, payload: jsonOf(payload), ref })
  },
  encodeBroadcast: ({ topic, event, payload }) =>
    JSON.stringify({ topic, event, payload: jsonOf(payload), ref: null }),
}

const v2Text: Serializer = {
  decode: v2.decode,
  encodeReply: (reply) => v2.encodeReply({ ...reply, response: jsonOf(reply.response) }),
  encodePush: (push) => v2.encodePush({ ...push, payload: jsonOf(push.payload) }),
  encodeBroadcast: (broadcast) => v2.encodeBroadcast({ ...broadcast, payload: jsonOf(broadcast.payload) }),
}

/** The same version where only text can be sent: bytes appear as base64, those of clients are understood. */
export function textOnly(serializer: Serializer): Serializer {
  return serializer === v2 ? v2Text : serializer
}

/** The serializer of a `vsn` parameter, or undefined for a version this server does not speak. */
export function chooseSerializer(vsn: string | undefined): Serializer | undefined {
  if (vsn === '2.0.0') return v2
  return vsn === undefined || vsn === '1.0.0' ? v1 : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MalformedFrame('not JSON')
  }
}

function checked(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): ClientMessage {
  if (!isRef(joinRef) || !isRef(ref)) throw new MalformedFrame('a ref is not a string, a number or null')
  if (typeof topic !== 'string' || typeof event !== 'string') {
    throw new MalformedFrame('topic and event are not both strings')
  }
  return { joinRef, ref, topic, event, payload }
}

function isRef(value: unknown): value is Ref {
  return value === null || typeof value === 'string' || typeof value === 'number'
}

/** Bytes have no place in version 1: they appear as base64. */
function jsonOf(payload: unknown): unknown {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString('base64') : payload
}
